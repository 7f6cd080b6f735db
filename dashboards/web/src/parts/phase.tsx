// Phases of a furnace: a strip below the bar of states, and what each took. Height tells them apart as well as colour.
import type { Schemas } from "../api";
import { energy, joined } from "../format";
import { useWords, type Key } from "../i18n";

export type Phase = "heating" | "soak" | "cooling";
const phases: readonly Phase[] = ["heating", "soak", "cooling"];
export const phaseWord: Record<Phase, Key> = { heating: "phase.heating", soak: "phase.soak", cooling: "phase.cooling" };
const height: Record<Phase, number> = { heating: 1, soak: 0.66, cooling: 0.34 };

/** Nothing for a machine without phases. */
export function Phases({ rows, from, to }: { rows: readonly Schemas["Interval"][]; from: number; to: number }) {
  const { t, duration } = useWords();
  const with_ = rows.filter((i) => i.phase);
  if (with_.length === 0) return null;
  const sum = (p: Phase, of: (i: Schemas["Interval"]) => number) => with_.reduce((a, i) => (i.phase === p ? a + of(i) : a), 0);
  const time = (p: Phase) => duration(sum(p, (i) => i.duration_s));
  const x = (at: string) => ((Date.parse(at) - from) / (to - from)) * 1000;
  return (
    <div class="phases">
      <h3>{t("phase.title")}</h3>
      <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={t("phase.bar", { heating: time("heating"), soak: time("soak"), cooling: time("cooling") })}>
        <rect class="bar-none" x="0" y="0" width="1000" height="10" />
        {with_.map((i) => {
          const p = i.phase as Phase;
          return <rect key={i.start} class={`p-${p}`} x={x(i.start)} y={10 - 10 * height[p]} width={Math.max(x(i.end) - x(i.start), 0.8)} height={10 * height[p]} />;
        })}
      </svg>
      <ul class="sums">
        {phases.map((p) => {
          const doors = sum(p, (i) => i.door_dips ?? 0);
          return (
            <li key={p}>
              <span class={`chip p-${p}`} aria-hidden="true" />
              {t(phaseWord[p])} <b>{time(p)}</b> · {joined(energy(sum(p, (i) => i.energy_wh)))}
              {doors > 0 ? <small> · {t("phase.door", { n: doors })}</small> : null}
            </li>
          );
        })}
      </ul>
      <p class="small">{t("phase.note")}</p>
    </div>
  );
}
