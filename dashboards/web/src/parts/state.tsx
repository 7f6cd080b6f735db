// How a state looks: colour, word, symbol and, in bars, height, so that no one needs to tell red from green.
import type { State } from "../bar";
import { place, sums, type Piece } from "../bar";
import type { Key } from "../i18n";
import { useWords } from "../i18n";

export const states: readonly State[] = ["run", "idle", "off", "unknown"];
export const stateWord: Record<State, Key> = { run: "state.run", idle: "state.idle", off: "state.off", unknown: "state.unknown" };

export function Symbol({ state }: { state: State | "meter" }) {
  const shapes = {
    run: <path d="M6 3l15 9-15 9z" />,
    idle: <path d="M5 3h5v18H5zM14 3h5v18h-5z" />,
    off: <path d="M4 4h16v16H4z" />,
    unknown: <path d="M12 2C8 2 5.500 4.500 5.300 8.300h3.900C9.300 6.600 10.400 5.500 12 5.500s2.700 1 2.700 2.500c0 1.300-.6 2-2 3-1.900 1.300-2.700 2.500-2.700 4.700v.8h3.800v-.6c0-1.300.5-1.900 2-2.900 1.900-1.300 2.900-2.800 2.900-5C18.700 4.400 16 2 12 2zm-.1 16.300a2.300 2.300 0 100 4.600 2.300 2.300 0 000-4.600z" />,
    meter: <path d="M13 2L4 14h6l-1 8 9-12h-6z" />,
  };
  return (
    <svg class="symbol" viewBox="0 0 24 24" aria-hidden="true">
      {shapes[state]}
    </svg>
  );
}

export function StatePill({ state }: { state: State }) {
  const { t } = useWords();
  return (
    <span class={`pill s-${state}`}>
      <Symbol state={state} />
      {t(stateWord[state])}
    </span>
  );
}

const height: Record<State, number> = { run: 1, idle: 0.66, off: 0.34, unknown: 1 };

/** A bar of states over [from, to), with clock marks below when asked. */
export function StateBar({ pieces, from, to, marks, now }: { pieces: readonly Piece[]; from: number; to: number; marks?: readonly string[]; now?: number }) {
  const { t, duration } = useWords();
  const s = sums(pieces);
  const label = t("live.daybar", { run: duration(s.run), idle: duration(s.idle), off: duration(s.off), unknown: duration(s.unknown) });
  return (
    <div class="statebar">
      <svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label={label}>
        <rect class="bar-none" x="0" y="0" width="1000" height="20" />
        {place(pieces, from, to).map((r) => (
          <rect key={r.x} class={`bar s-${r.state}`} x={r.x * 1000} y={20 - 20 * height[r.state]} width={Math.max(r.width * 1000, 0.8)} height={20 * height[r.state]} />
        ))}
        {now !== undefined && now > from && now < to ? <rect class="bar-now" x={((now - from) / (to - from)) * 1000 - 1} y="0" width="2" height="20" /> : null}
      </svg>
      {marks ? (
        <div class="marks" aria-hidden="true">
          {marks.map((m) => (
            <span key={m}>{m}</span>
          ))}
        </div>
      ) : null}
    </div>
  );
}

export function StateKey() {
  const { t } = useWords();
  return (
    <ul class="key" aria-label={t("state.key")}>
      {states.map((s) => (
        <li key={s}>
          <span class={`chip s-${s}`}>
            <Symbol state={s} />
          </span>
          {t(stateWord[s])}
        </li>
      ))}
    </ul>
  );
}
