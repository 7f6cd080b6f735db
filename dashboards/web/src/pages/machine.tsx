import { useEffect, useRef, useState } from "preact/hooks";
import type { Schemas } from "../api";
import { address, get } from "../api";
import { sums, type Piece } from "../bar";
import { useLive, useLoad, usePlace } from "../context";
import { clock, clockSeconds, date, energy, isoDay, joined, midnight, monthDays, monthName, number, percent, power, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { Baselines } from "../parts/baselines";
import { Chart } from "../parts/charts";
import { Breakdowns } from "../parts/breakdowns";
import { FigureBars, Meaning } from "../parts/figures";
import { StarNote, star } from "../parts/flags";
import { GapCause } from "../parts/gap";
import { Phases, phaseWord } from "../parts/phase";
import { StateBar, StatePill, stateWord, states, Symbol } from "../parts/state";
import { Busy, Empty, Failed } from "../parts/status";
import { dayMarks, freshness } from "./live";

const quantityWord: Record<string, Key> = {
  power: "q.power", temperature: "q.temperature", setpoint: "q.setpoint", vibration: "q.vibration", speed: "q.speed",
  current: "q.current", voltage: "q.voltage", humidity: "q.humidity", energy: "q.energy",
  acceleration: "q.acceleration", kurtosis: "q.kurtosis",
};
const fieldOf: Record<string, keyof Schemas["Values"]> = {
  power: "power_w", temperature: "temperature_c", setpoint: "setpoint_c", vibration: "vibration_mm_s", speed: "speed_rpm",
  current: "current_a", voltage: "voltage_v", humidity: "humidity_rh", acceleration: "acceleration_m_s2", kurtosis: "kurtosis",
};

/** A stretch of the day to look at closely, Unix ms. */
interface Stretch { from: number; to: number }

/** One machine, one day: its states, its numbers, its curve. */
export function MachinePage({ id, at }: { id: string; at?: string }) {
  const { live, site, may } = usePlace();
  const words = useWords();
  const { t, name } = words;
  useLive(live);
  const [chosen, setDay] = useState(at && /^\d{4}-\d\d-\d\d$/.test(at) ? at : undefined);
  const [near, look] = useState<Stretch>();
  const choose = (day: string) => {
    setDay(day);
    look(undefined);
  };
  if (!live) return null;
  if (!live.loaded) return live.error ? <Failed error={live.error} /> : <Busy />;
  const view = live.machines.find((v) => v.machine.id === id);
  if (!view) return <Empty>{t("error.404")}</Empty>;
  const today = isoDay(live.now(), site.zone);
  const day = chosen ?? today;
  const m = view.machine;
  return (
    <div class="sheet wide">
      <a class="back noprint" href="#/live">← {t("machine.back")}</a>
      <header class="machinehead">
        <h1>{name(m.name, m.id)}</h1>
        {m.meter ? null : <StatePill state={m.live.state} />}
        {m.live.values.power_w !== undefined ? <b class="headpower">{joined(power(m.live.values.power_w))}</b> : null}
        <small>{freshness(view, live.now(), site.zone, words)}</small>
      </header>
      <div class="daypick">
        <button type="button" aria-label={t("machine.prev")} onClick={() => choose(shiftDay(day, -1))}>‹</button>
        <label>{t("machine.day")} <input type="date" value={day} max={today} onChange={(e) => e.currentTarget.value && choose(e.currentTarget.value)} /></label>
        <button type="button" aria-label={t("machine.next")} disabled={day >= today} onClick={() => choose(shiftDay(day, 1))}>›</button>
        <b class="dayshown">{date(midnight(day, site.zone), site.zone)}</b>
      </div>
      {m.meter ? null : <Day machine={id} day={day} look={look} />}
      <Curve machine={id} day={day} near={near} look={look} has={Object.keys(fieldOf).filter((q) => q === "power" || m.live.values[fieldOf[q] ?? "power_w"] !== undefined)} />
      {m.meter ? null : <Baselines machine={id} />}
      {!m.meter && may("manager", "technician") ? <p class="noprint"><a class="button" href={`#/thresholds/${id}`}>{t("th.title")}</a></p> : null}
      <KPIs machine={id} day={day} meter={m.meter} show={(d) => { choose(d); scrollTo({ top: 0 }); }} />
    </div>
  );
}

function Day({ machine, day, look }: { machine: string; day: string; look: (s: Stretch) => void }) {
  const { site, live } = usePlace();
  const { t, name, duration } = useWords();
  const [all, showAll] = useState(false);
  const from = midnight(day, site.zone);
  const to = midnight(shiftDay(day, 1), site.zone);
  const now = live?.now() ?? to;
  const loaded = useLoad(async (signal) => {
    // Asked for the whole day; the server gives what has passed of it.
    const got = await get("/api/v1/sites/{site}/machines/{machine}/intervals", { site: site.id, machine, from: new Date(from).toISOString(), to: new Date(to).toISOString(), clip: true }, signal);
    const groups = new Map<string, Schemas["Group"]>();
    if (got.intervals.some((i) => i.sessions.length > 0)) {
      for (const g of (await get("/api/v1/sites/{site}/groups", { site: site.id }, signal)).groups) groups.set(g.id, g);
    }
    return { intervals: got.intervals, groups };
  }, [site.id, machine, day]);
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  if (!loaded.data) return <Busy />;
  const rows = loaded.data.intervals;
  const pieces: Piece[] = rows.map((i) => ({ state: i.state, from: Date.parse(i.start), to: Date.parse(i.end) }));
  if (pieces.every((p) => p.state === "unknown")) return <Empty>{t("machine.empty")}</Empty>;
  const s = sums(pieces);
  const wh = rows.reduce((a, i) => a + i.energy_wh, 0);
  const shown = all ? rows : rows.slice(-12);
  const who = (i: Schemas["Interval"]) =>
    [...new Set(i.sessions.map((x) => (x.group ? name(loaded.data?.groups.get(x.group)?.name, x.group) : t("live.unknowncard"))))].join(", ");
  return (
    <>
      <section>
        <h2>{t("machine.daybar")}</h2>
        <StateBar pieces={pieces} from={from} to={to} marks={dayMarks} now={now} />
        <Phases rows={rows} from={from} to={to} />
        <ul class="sums">
          {states.map((k) => (
            <li key={k}><span class={`chip s-${k}`}><Symbol state={k} /></span>{t(stateWord[k])} <b>{duration(s[k])}</b></li>
          ))}
          <li><span class="chip s-meter"><Symbol state="meter" /></span>{t("machine.energy")} <b>{joined(energy(wh))}</b></li>
        </ul>
      </section>
      <section>
        <h2>{t("machine.intervals")}</h2>
        <p class="small noprint">{t("machine.tapstate")}</p>
        <div class="scroll" tabIndex={0} role="region" aria-label={t("machine.intervals")}>
          <table>
            <thead>
              <tr><th>{t("machine.state")}</th><th>{t("machine.from")}</th><th class="roomy">{t("machine.to")}</th><th class="n">{t("machine.duration")}</th><th class="n">{t("machine.energy")}</th><th>{t("machine.group")}</th></tr>
            </thead>
            <tbody>
              {shown.map((i) => (
                <tr key={i.start}>
                  <td><StatePill state={i.state} />{i.phase ? <small class="phaseword">{t(phaseWord[i.phase])}</small> : null}{i.state === "unknown" ? <small><a href="#/gaps"><GapCause cause={i.cause} evidence={i.evidence} /></a></small> : null}</td>
                  <td><button type="button" class="linklike" onClick={() => look({ from: Date.parse(i.start), to: Date.parse(i.end) })}>{clockSeconds(Date.parse(i.start), site.zone)}</button></td>
                  <td class="roomy">{i.open ? t("machine.open") : clockSeconds(Date.parse(i.end), site.zone)}</td>
                  <td class="n">{duration(i.duration_s)}</td>
                  <td class="n">{joined(energy(i.energy_wh))}{star(i.energy_flags)}</td>
                  <td>{who(i)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {shown.length < rows.length ? <button type="button" onClick={() => showAll(true)}>{t("machine.more", { n: rows.length })}</button> : null}
        <StarNote flags={rows.flatMap((i) => i.energy_flags)} />
      </section>
    </>
  );
}

function Curve({ machine, day, near, look, has }: { machine: string; day: string; near: Stretch | undefined; look: (s: Stretch | undefined) => void; has: string[] }) {
  const { site } = usePlace();
  const { t } = useWords();
  const [quantity, choose] = useState("power");
  const place = useRef<HTMLElement>(null);
  const first = midnight(day, site.zone);
  const next = midnight(shiftDay(day, 1), site.zone);
  // A little before and after: what made the state begin and end is to be seen, too.
  const around = near ? Math.max(60_000, (near.to - near.from) / 10) : 0;
  const from = near ? Math.max(first, near.from - around) : first;
  const to = near ? Math.min(next, near.to + around) : next;
  useEffect(() => {
    if (near) place.current?.scrollIntoView({ block: "start" });
  }, [near]);
  const span = { site: site.id, machine, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  const loaded = useLoad(
    (signal) => get("/api/v1/sites/{site}/machines/{machine}/series", { ...span, quantity, points: near ? 600 : 288 }, signal),
    [site.id, machine, from, to, quantity],
  );
  const s = loaded.data;
  const word = (q: string) => t(quantityWord[q] ?? "q.power");
  const points = (s?.points ?? []).map((p) => ({ t: Date.parse(p.t), min: p.min, max: p.max, mean: p.mean }));
  const show = (v: number) => `${number(v, Math.abs(v) < 10 ? 2 : 0)} ${s?.unit ?? ""}`;
  return (
    <section ref={place} class="curve">
      <h2>{t("machine.chart")}{near ? ` ${clockSeconds(near.from, site.zone)} – ${clockSeconds(near.to, site.zone)}` : ""}</h2>
      <div class="tools noprint">
        <label>{t("machine.quantity")}{" "}
          <select value={quantity} onChange={(e) => choose(e.currentTarget.value)}>
            {has.map((q) => <option key={q} value={q}>{word(q)}</option>)}
          </select>
        </label>
        {near ? <button type="button" onClick={() => look(undefined)}>{t("machine.wholeday")}</button> : null}
        <a class="button" href={address("/api/v1/sites/{site}/machines/{machine}/samples.csv", span)} download>{t("machine.samples")}</a>
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !s ? <Busy /> : points.length === 0 ? <Empty>{t("machine.empty")}</Empty> : (
        <figure>
          <figcaption>{word(s.quantity)}, {s.unit}</figcaption>
          <Chart points={points} from={from} to={to} step={s.step_s * 1000} zone={site.zone}
            label={t("machine.chart.label", { quantity: word(s.quantity), unit: s.unit, min: show(Math.min(...points.map((p) => p.min))), max: show(Math.max(...points.map((p) => p.max))) })} />
          <p class="small">{t("machine.chart.band")}{s.step_s > 1 ? ` ${t("machine.chart.step", { n: number(s.step_s) })}` : ""}</p>
        </figure>
      )}
    </section>
  );
}

const bys = ["hour", "shift", "day", "month"] as const;
const byWord: Record<(typeof bys)[number], Key> = { hour: "machine.byhour", shift: "fig.byshift", day: "machine.byday", month: "fig.bymonth" };

function KPIs({ machine, day, meter, show }: { machine: string; day: string; meter: boolean; show: (day: string) => void }) {
  const { site } = usePlace();
  const { t, lang, name, duration } = useWords();
  const [by, choose] = useState<(typeof bys)[number]>("day");
  const month = monthDays(day.slice(0, 7));
  const year = day.slice(0, 4);
  const [first, next] = by === "month" ? [`${year}-01-01`, `${Number(year) + 1}-01-01`] : by === "day" ? [month.first, month.next] : [day, shiftDay(day, 1)];
  const iso = (d: string) => new Date(midnight(d, site.zone)).toISOString();
  const loaded = useLoad(
    (signal) => get("/api/v1/sites/{site}/machines/{machine}/kpis", { site: site.id, machine, by, from: iso(first), to: iso(next) }, signal),
    [site.id, machine, by, first],
  );
  const whole = useLoad(
    (signal) => get("/api/v1/sites/{site}/machines/{machine}/kpis", { site: site.id, machine, by: "month", from: iso(month.first), to: iso(month.next) }, signal),
    [site.id, machine, month.first],
  );
  const total = whole.data?.kpis[0];
  const rows = (loaded.data?.kpis ?? []).filter((k) => k.run_s + k.idle_s + k.off_s > 0 || k.energy_wh > 0);
  // What is not given says why: a number at the dash, the words below.
  const whys = [...new Set(rows.flatMap((k) => ["availability", "allocation_efficiency", "utilization_efficiency", "coverage"].map((f) => k.why[f]).filter((w) => w !== undefined)))];
  const outside = rows.some((k) => k.outside_run_s > 0);
  const figure = (k: Schemas["KPI"], v: number | undefined, field: string) => {
    const n = whys.indexOf(k.why[field] ?? "");
    return <td class="n">{v !== undefined ? percent(v) : n < 0 ? "–" : <>–<sup>{n + 1}</sup></>}</td>;
  };
  const period = (k: Schemas["KPI"]) => {
    const at = Date.parse(k.from);
    if (by === "month") return monthName(isoDay(at, site.zone).slice(0, 7), lang);
    if (by === "day") return date(at, site.zone);
    const clocks = `${clock(at, site.zone)}–${clock(Date.parse(k.to), site.zone)}`;
    return by === "shift" ? `${k.shift ? name(k.shift_name, k.shift) : t("fig.between")} ${clocks}` : clocks;
  };
  return (
    <section>
      {!meter && total ? (
        <>
          <h2>{t("fig.title")} ({monthName(day.slice(0, 7), lang)})</h2>
          <FigureBars kpi={total} reasons={whole.data?.reasons ?? {}} />
          <Meaning />
        </>
      ) : null}
      <h2>{t("machine.kpis")}</h2>
      <div class="choice noprint" role="group" aria-label={t("machine.kpis")}>
        {bys.filter((b) => !meter || b !== "shift").map((b) => <button key={b} type="button" aria-pressed={by === b} onClick={() => choose(b)}>{t(byWord[b])}</button>)}
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : rows.length === 0 ? <Empty>{t("machine.empty")}</Empty> : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t("machine.kpis")}>
          <table>
            <thead>
              <tr>
                <th>{t("fig.period")}</th>
                {meter ? null : states.map((s) => <th key={s} class="n">{t(stateWord[s])}</th>)}
                <th class="n">{t("machine.energy")}</th>
                {meter ? null : <>{outside ? <th class="n">{t("fig.outside.short")}</th> : null}<th class="n">{t("machine.availability")}</th><th class="n">{t("fig.allocation.iso")}</th><th class="n">{t("machine.utilization")}</th><th class="n">{t("machine.coverage")}</th></>}
              </tr>
            </thead>
            <tbody>
              {rows.map((k) => {
                return (
                  <tr key={k.from}>
                    <td>{by === "day" && !meter ? <button type="button" class="linklike" onClick={() => show(isoDay(Date.parse(k.from), site.zone))}>{period(k)}</button> : period(k)}</td>
                    {meter ? null : [k.run_s, k.idle_s, k.off_s, k.unknown_s].map((s, i) => <td key={i} class="n">{s > 0 ? duration(s) : "–"}</td>)}
                    <td class="n">{joined(energy(k.energy_wh))}{star(k.energy_flags)}</td>
                    {meter ? null : (
                      <>
                        {outside ? <td class="n">{k.outside_run_s > 0 ? duration(k.outside_run_s) : "–"}</td> : null}
                        {figure(k, k.availability, "availability")}
                        {figure(k, k.allocation_efficiency, "allocation_efficiency")}
                        {figure(k, k.utilization_efficiency, "utilization_efficiency")}
                        {figure(k, k.coverage, "coverage")}
                      </>
                    )}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      <StarNote flags={rows.flatMap((k) => k.energy_flags)} />
      {!meter && whys.length > 0 ? <ol class="small whys">{whys.map((w) => <li key={w}>{loaded.data?.reasons[w]?.[lang] ?? w}</li>)}</ol> : null}
      {meter ? null : <Breakdowns machine={machine} from={iso(month.first)} to={iso(month.next)} changed={whole.again} />}
    </section>
  );
}
