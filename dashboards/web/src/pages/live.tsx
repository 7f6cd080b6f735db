import type { View } from "../live";
import { upTo, sums, type State } from "../bar";
import { useLive, usePlace } from "../context";
import { clock, date, energy, isoDay, joined, midnight, number, power, shiftDay } from "../format";
import { useWords } from "../i18n";
import { Spark } from "../parts/charts";
import { Join } from "../parts/join";
import { problemWord } from "../parts/gateways";
import { StateBar, StateKey, stateWord, states, Symbol } from "../parts/state";
import { Busy, Empty, Failed } from "../parts/status";

/** A gateway always has a pack or two on the way; only one that waits so long, s, is worth a word. */
const waitsLongS = 60;

export const dayMarks = ["00", "06", "12", "18", "24"];

export function Live() {
  const { live, may } = usePlace();
  const { t } = useWords();
  useLive(live);
  if (!live) return null;
  if (!live.loaded) return live.error ? <Failed error={live.error} /> : <Busy />;
  const machines = live.machines.filter((v) => !v.machine.meter);
  const meters = live.machines.filter((v) => v.machine.meter);
  return (
    <div class={live.link === "lost" || live.link === "blind" ? "old" : undefined}>
      <h1 class="hidden">{t("live.title")}</h1>
      <Summary machines={machines} meters={meters} />
      {live.machines.length === 0 ? <Empty>{t(may("manager") ? "live.empty.what" : "live.empty")}</Empty> : null}
      <ul class="cards">
        {machines.map((v) => <Card key={v.machine.id} view={v} />)}
        {meters.map((v) => <Card key={v.machine.id} view={v} />)}
      </ul>
      <Foot />
    </div>
  );
}

function Summary({ machines, meters }: { machines: View[]; meters: View[] }) {
  const { t } = useWords();
  const measured = (meters.length > 0 ? meters : machines).map((v) => v.machine.live.values.power_w).filter((w): w is number => w !== undefined);
  const total = measured.length > 0 ? power(measured.reduce((a, b) => a + b, 0)) : undefined;
  return (
    <ul class="summary">
      {states.map((s) => {
        const n = machines.filter((v) => v.machine.live.state === s).length;
        return (
          <li key={s} class={n === 0 ? "none" : undefined} data-state={s}>
            <span class={`chip s-${s}`}><Symbol state={s} /></span>
            <b>{n}</b>
            <span>{t(stateWord[s])}</span>
          </li>
        );
      })}
      <li class="totalpower">
        <span class="chip s-meter"><Symbol state="meter" /></span>
        <b>{total ? total.value : "–"}{total ? <small> {total.unit}</small> : null}</b>
        <span>{t(meters.length > 0 ? "live.power" : "live.powersum")}</span>
      </li>
    </ul>
  );
}

function Card({ view }: { view: View }) {
  const { live, site } = usePlace();
  const words = useWords();
  const { t, name, duration } = words;
  const m = view.machine;
  const l = m.live;
  const now = live?.now() ?? 0;
  const since = l.since ? Date.parse(l.since) : undefined;
  const state: State | "meter" = m.meter && !l.stale ? "meter" : l.state;
  const p = l.values.power_w === undefined ? undefined : power(l.values.power_w);
  const day = upTo(view.day, l.state, since, now);
  const s = sums(day);
  const e = energy(m.today.energy_wh);
  return (
    <li class={`card c-${state}${l.stale ? " stale" : ""}`} data-machine={m.id} data-state={l.state}>
      <div class="band">
        <Symbol state={state} />
        <span class="word">{state === "meter" ? t("state.meter") : t(stateWord[l.state])}</span>
        {state !== "meter" && since !== undefined && !l.stale ? (
          <span class="since">
            {t("live.since", { duration: duration((now - since) / 1000) })}
            <small> · {sinceClock(since, now, site.zone)}</small>
          </span>
        ) : null}
      </div>
      <h2><a href={`#/machine/${m.id}`}>{name(m.name, m.id)}</a></h2>
      <Group view={view} />
      <div class="now">
        <p class="power">
          {p ? <><b>{p.value}</b> {p.unit}</> : <b>–</b>}
        </p>
        <div class="sparkbox">
          <Spark values={view.spark} />
          <small>{t("live.hour")}</small>
        </div>
      </div>
      <Extras view={view} />
      {m.meter ? null : <StateBar pieces={day} from={view.dayFrom} to={midnight(shiftDay(isoDay(view.dayFrom, site.zone), 1), site.zone)} marks={dayMarks} now={now} />}
      {l.why === "never" ? null : <p class="today">
        <span>{t("live.today")}: {m.meter ? null : <>{t("state.run")} <b>{duration(s.run)}</b> · </>}<b title={m.today.energy_estimated ? t("machine.estimated") : undefined}>{joined(e)}{m.today.energy_estimated ? "*" : ""}</b></span>
      </p>}
      <p class="fresh">
        <span>{freshness(view, now, site.zone, words)}</span>
        {l.alarms > 0 ? <a class="alarmflag" href="#/alarms">⚠ {t("live.alarmcount", { n: l.alarms })}</a> : null}
      </p>
    </li>
  );
}

/** A clock time for today, date and time for older begins. */
function sinceClock(ms: number, now: number, zone: string): string {
  return isoDay(ms, zone) === isoDay(now, zone) ? clock(ms, zone) : `${date(ms, zone)} ${clock(ms, zone)}`;
}

/** The age of the numbers: "3 s ago", or since when there are none. */
export function freshness(view: View, now: number, zone: string, { t, duration }: ReturnType<typeof useWords>): string {
  const l = view.machine.live;
  if (l.why === "never" || view.sampleAt === undefined) return t("live.never");
  if (l.stale) return t("live.nodata", { time: `${date(view.sampleAt, zone)} ${clock(view.sampleAt, zone)}` });
  const age = Math.max(0, (now - view.sampleAt) / 1000);
  const ago = age < 2 ? t("live.now") : t("live.ago", { duration: duration(age) });
  return l.why === "computing" ? `${ago} · ${t("live.computing")}` : ago;
}

function Group({ view }: { view: View }) {
  const { t, name } = useWords();
  const { site } = usePlace();
  const l = view.machine.live;
  if (view.machine.meter) return null;
  if (l.group) {
    return (
      <p class="group">
        <Person /> {l.group.id ? name(l.group.name, l.group.id) : t("live.unknowncard")} <small>{t("live.sinceclock", { time: clock(Date.parse(l.group.since), site.zone) })}</small>
      </p>
    );
  }
  if (l.state === "run") return <p class="group nocard"><Person /> {t("live.nocard")}</p>;
  return <p class="group nobody"><Person /> {t("live.free")}</p>;
}

function Person() {
  return (
    <svg class="person" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 12a5 5 0 100-10 5 5 0 000 10zm0 2c-5 0-9 2.500-9 6v2h18v-2c0-3.500-4-6-9-6z" />
    </svg>
  );
}

function Extras({ view }: { view: View }) {
  const { t } = useWords();
  const v = view.machine.live.values;
  if (v.temperature_c === undefined && v.vibration_mm_s === undefined && v.speed_rpm === undefined) return null;
  return (
    <dl class="extras">
      {v.temperature_c !== undefined ? (
        <div><dt>{t("q.temperature")}</dt><dd><b>{number(v.temperature_c)} °C</b>{v.setpoint_c !== undefined ? <small> / {number(v.setpoint_c)} °C</small> : null}</dd></div>
      ) : null}
      {v.vibration_mm_s !== undefined ? <div><dt>{t("q.vibration")}</dt><dd><b>{number(v.vibration_mm_s, 1)} mm/s</b></dd></div> : null}
      {v.speed_rpm !== undefined ? <div><dt>{t("q.speed")}</dt><dd><b>{number(v.speed_rpm)} /min</b></dd></div> : null}
    </dl>
  );
}

function Foot() {
  const { live, site } = usePlace();
  const { t } = useWords();
  if (!live) return null;
  const wall = document.documentElement.classList.contains("wall");
  return (
    <footer class="foot">
      <StateKey />
      <ul class="gateways" aria-label={t("live.gateways")}>
        {[...live.gateways.values()].map((g) => (
          <li key={g.id} class={!g.online ? "off" : g.problems.length > 0 ? "on ill" : "on"}>
            <i aria-hidden="true" />{t("live.gateways")} {g.id}: {t(g.online ? "live.gateway.on" : "live.gateway.off")}
            {g.seen && !g.online ? ` (${clock(Date.parse(g.seen), site.zone)})` : ""}
            {g.online && g.problems[0] ? <> · <a href="#/alarms">⚠ {t(problemWord[g.problems[0]])}</a></> : null}
            {g.oldest_age_s >= waitsLongS ? ` · ${t("live.gateway.wait", { n: number(g.spool_packs) })}` : ""}
            {g.machines === 0 ? ` · ${t("live.gateway.nomachines")}` : ""}
          </li>
        ))}
      </ul>
      {wall ? null : <Join gateways={[...live.gateways.keys()]} />}
      {wall ? <a class="noprint" href="/#/live">{t("wall.off")}</a> : null}
    </footer>
  );
}
