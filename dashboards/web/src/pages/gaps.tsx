import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { address, get } from "../api";
import { useLoad, useLive, usePlace } from "../context";
import { clock, dateClock, isoDay, midnight, shiftDay } from "../format";
import { useWords } from "../i18n";
import { GapCause, GapEvidence } from "../parts/gap";
import { Busy, Empty, Failed } from "../parts/status";
import { together } from "../together";

const spans = [1, 7, 31] as const;

/** The gap ledger: when nothing was known of a machine, and why. */
export function Gaps() {
  const { live, site, may } = usePlace();
  useLive(live);
  const { t, lang, name, duration } = useWords();
  const [days, setDays] = useState<number>(7);
  const [machine, setMachine] = useState("");
  const today = isoDay(live?.now() ?? Date.now(), site.zone);
  const span = {
    site: site.id, machine: machine || undefined,
    from: new Date(midnight(shiftDay(today, 1 - days), site.zone)).toISOString(), to: new Date(midnight(shiftDay(today, 1), site.zone)).toISOString(),
  };
  const loaded = useLoad(async (signal) => (await get("/api/v1/sites/{site}/gaps", span, signal)).gaps, [site.id, machine, days, today]);
  const machines = (live?.machines ?? []).map((v) => v.machine);
  const never = machines.filter((m) => m.live.why === "never" && (machine === "" || m.id === machine));
  const rows = [...(loaded.data ?? [])].reverse();
  const end = (g: Schemas["Gap"]) => {
    if (g.open) return <b class="hot">{t("machine.open")}</b>;
    const [from, to] = [Date.parse(g.start), Date.parse(g.end)];
    return isoDay(from, site.zone) === isoDay(to, site.zone) ? clock(to, site.zone) : dateClock(to, site.zone);
  };
  return (
    <div class="sheet wide">
      <h1>{t("gap.title")}</h1>
      <p class="small">{t("gap.intro")}</p>
      <div class="tools noprint">
        <div class="choice" role="group" aria-label={t("gap.span")}>
          {spans.map((d) => <button key={d} type="button" aria-pressed={days === d} onClick={() => setDays(d)}>{d === 1 ? t("gap.today") : t("gap.days", { n: d })}</button>)}
        </div>
        <label>{t("gap.machine")}{" "}
          <select value={machine} onChange={(e) => setMachine(e.currentTarget.value)}>
            <option value="">{t("gap.all")}</option>
            {machines.map((m) => <option key={m.id} value={m.id}>{name(m.name, m.id)}</option>)}
          </select>
        </label>
        <a class="button" href={address("/api/v1/sites/{site}/gaps.csv", { ...span, lang })} download>{t("gap.csv")}</a>
        {may("manager", "technician") ? <a class="button" href="#/quarantine">{t("qu.title")}</a> : null}
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : rows.length === 0 && never.length === 0 ? <Empty>{t("gap.none")}</Empty> : (
        <ul class="gaplist">
          {never.length > 0 ? (
            <li class="gap g-unknown" data-gap="never">
              <h2>{never.map((m, i) => <>{i > 0 ? ", " : ""}<a href={`#/machine/${m.id}`}>{name(m.name, m.id)}</a></>)}</h2>
              <p><b>{t("live.never")}</b></p>
              <p class="do"><b>{t("al.do")}:</b> {t("gap.never")}</p>
            </li>
          ) : null}
          {together(rows).map(([g, ...others]) => (
            <li key={`${g.machine}${g.start}`} class={`gap g-${g.filled ? "filled" : g.cause}`} data-gap={g.cause}>
              <h2>{[g, ...others].map((x, i) => <>{i > 0 ? ", " : ""}<a href={`#/machine/${x.machine}`}>{name(machines.find((m) => m.id === x.machine)?.name, x.machine)}</a></>)}</h2>
              <p><b>{duration(g.duration_s)}</b> · <span class="nowrap">{dateClock(Date.parse(g.start), site.zone)}</span> – <span class="nowrap">{end(g)}</span></p>
              <p><b><GapCause cause={g.cause} evidence={g.evidence} /></b>{g.filled ? <span class="late">{t("gap.late")}</span> : null}</p>
              <p class="small"><GapEvidence gap={g} /></p>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
