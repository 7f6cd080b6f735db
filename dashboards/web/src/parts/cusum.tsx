import { useState } from "preact/hooks";
import type { Machine, Schemas } from "../api";
import { address, get } from "../api";
import { useLoad, usePlace } from "../context";
import { date, energy, joined, midnight, number, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { ticks } from "./charts";
import { Busy, Failed } from "./status";

const doubtWord: Record<string, Key> = {
  "few-periods": "en.c.few", "no-spread": "en.c.spread", "low-r2": "en.c.lowr2", "negative-slope": "en.c.negative", "not-significant": "en.c.chance",
};
const variables = ["run-hours", "kg", "cold-starts"] as const;
type Variable = (typeof variables)[number];
const variableWord: Record<Variable, Key> = { "run-hours": "en.v.hours", "kg": "en.v.kg", "cold-starts": "en.v.cold" };
const perWord: Record<Variable, Key> = { "run-hours": "en.v.perhour", "kg": "en.v.perkg", "cold-starts": "en.v.percold" };
const whyWord: Record<Schemas["OmittedVariable"]["why"], Key> = {
  "no-figures": "en.o.none", "missing": "en.o.missing", "few-periods": "en.o.few", "no-spread": "en.o.spread", "collinear": "en.o.collinear",
};

/** A machine's days against its own baseline: the curve falls while it draws more than it used to for the same work. */
export function Cusum({ machines, today }: { machines: readonly Machine[]; today: string }) {
  const { site } = usePlace();
  const { t, lang, name } = useWords();
  const [chosen, choose] = useState("");
  const [from, setFrom] = useState(shiftDay(today, -31));
  const [until, setUntil] = useState(shiftDay(today, -7));
  const [without, setWithout] = useState<readonly Variable[]>([]);
  const machine = chosen || machines[0]?.id || "";
  const iso = (day: string) => new Date(midnight(day, site.zone)).toISOString();
  const right = from < until && until <= today;
  const wanted = variables.filter((v) => !without.includes(v));
  const asked = { site: site.id, machine, from: iso(from), to: iso(today), base_from: iso(from), base_to: iso(until), variables: wanted.join() };
  const loaded = useLoad(async (signal) => (machine && right && wanted.length > 0 ? await get("/api/v1/sites/{site}/machines/{machine}/baseline", asked, signal) : undefined),
    [site.id, machine, from, until, today, wanted.join()]);
  if (machines.length === 0) return null;
  const b = loaded.data;
  return (
    <section>
      <h2>{t("en.cusum")}</h2>
      <p class="small">{t("en.cusumnote")}</p>
      <div class="tools noprint">
        <label>{t("gap.machine")}{" "}
          <select value={machine} onChange={(e) => choose(e.currentTarget.value)}>{machines.map((m) => <option key={m.id} value={m.id}>{name(m.name, m.id)}</option>)}</select>
        </label>
        <label>{t("en.basefrom")} <input type="date" value={from} max={today} onChange={(e) => e.currentTarget.value && setFrom(e.currentTarget.value)} /></label>
        <label>{t("en.baseto")} <input type="date" value={until} max={today} onChange={(e) => e.currentTarget.value && setUntil(e.currentTarget.value)} /></label>
        <fieldset class="inline">
          <legend>{t("en.v.by")}</legend>
          {variables.map((v) => (
            <label key={v}><input type="checkbox" checked={wanted.includes(v)} disabled={wanted.length === 1 && wanted.includes(v)}
              onChange={() => setWithout(wanted.includes(v) ? [...without, v] : without.filter((x) => x !== v))} /> {t(variableWord[v])}</label>
          ))}
        </fieldset>
        {b && !b.refused ? <a class="button" href={address("/api/v1/sites/{site}/machines/{machine}/baseline.csv", { ...asked, lang })} download>{t("gap.csv")}</a> : null}
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !right ? <p class="warn">{t("en.c.dates")}</p> : !b ? <Busy /> : b.refused ? (
        <>
          <p class="warn">{t(doubtWord[b.refused] ?? "en.c.none", { n: b.days })}</p>
          <LeftOut b={b} />
        </>
      ) : (
        <>
          <Curve b={b} zone={site.zone} until={Date.parse(b.base_to)} />
          <p class="small">
            {t("en.c.line", { standing: signed(b.standing_wh), r2: number(b.r2, 2), n: b.days })}
            {b.left_out > 0 ? ` ${t("en.c.leftout", { n: b.left_out })}` : ""}
            {b.missing_days > 0 ? ` ${t("en.c.missing", { n: b.missing_days })}` : ""}
            {b.points.some((p) => p.outside) ? ` ${t("en.c.outside", { n: b.points.filter((p) => p.outside).length })}` : ""}
            {b.points.some((p) => p.energy_estimated) ? ` ${t("en.c.estimated", { n: b.points.filter((p) => p.energy_estimated).length })}` : ""}
          </p>
          <Variables b={b} />
          <LeftOut b={b} />
          {b.doubts.map((d) => <p key={d} class="warn small">{t(doubtWord[d] ?? "en.c.lowr2", { n: b.days })}</p>)}
          <Days b={b} zone={site.zone} />
        </>
      )}
    </section>
  );
}

const signed = (wh: number) => (wh < 0 ? `−${joined(energy(-wh))}` : joined(energy(wh)));
const chance = (p: number) => (p < 0.001 ? "< 0.001" : number(p, 3));

/** What one more of each variable adds, and how sure that is. */
function Variables({ b }: { b: Schemas["EnergyBaseline"] }) {
  const { t } = useWords();
  return (
    <table class="stack">
      <thead><tr><th>{t("en.v.one")}</th><th class="n">{t("en.v.adds")}</th><th class="n">{t("en.v.error")}</th><th class="n">{t("en.v.chance")}</th><th class="n">VIF</th><th class="n">{t("en.v.range")}</th></tr></thead>
      <tbody>
        {b.variables.map((v) => (
          <tr key={v.variable}>
            <th scope="row">{t(perWord[v.variable])}</th>
            <td class="n" data-label={t("en.v.adds")}>{signed(v.wh_per)}</td>
            <td class="n" data-label={t("en.v.error")}>± {joined(energy(v.standard_error_wh))}</td>
            <td class="n" data-label={t("en.v.chance")}>{chance(v.p)}{v.may_be_chance ? " !" : ""}</td>
            <td class="n" data-label="VIF">{number(v.vif, 1)}</td>
            <td class="n" data-label={t("en.v.range")}>{number(v.min, 1)}–{number(v.max, 1)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function LeftOut({ b }: { b: Schemas["EnergyBaseline"] }) {
  const { t } = useWords();
  return <>{b.omitted.map((o) => <p key={o.variable} class="small">{t("en.o.without", { variable: t(variableWord[o.variable]), why: t(whyWord[o.why]) })}</p>)}</>;
}

/** The days one by one, newest first. */
function Days({ b, zone }: { b: Schemas["EnergyBaseline"]; zone: string }) {
  const { t } = useWords();
  const has = (v: Variable) => b.variables.some((x) => x.variable === v);
  const kwh = (wh: number | undefined) => (wh === undefined ? "–" : (Math.round(wh / 100) / 10 + 0).toLocaleString("en-IN", { minimumFractionDigits: 1, maximumFractionDigits: 1 }));
  const columns: readonly (readonly [string, (p: Schemas["EnergyBaselineDay"]) => string])[] = [
    [t("en.v.hours"), (p) => number(p.run_hours, 1)],
    ...(has("kg") ? [[t("en.v.kg"), (p: Schemas["EnergyBaselineDay"]) => (p.kg === undefined ? "–" : number(p.kg, 1))] as const] : []),
    ...(has("cold-starts") ? [[t("en.v.cold"), (p: Schemas["EnergyBaselineDay"]) => (p.cold_starts === undefined ? "–" : number(p.cold_starts, 0))] as const] : []),
    [t("en.d.kwh"), (p) => `${p.energy_estimated ? "≈ " : ""}${kwh(p.energy_wh)}`],
    [t("en.d.expected"), (p) => kwh(p.predicted_wh)],
    [t("en.d.saving"), (p) => kwh(p.saving_wh)],
    [t("en.d.sum"), (p) => kwh(p.cusum_wh)],
  ];
  return (
    <details>
      <summary>{t("en.d.days", { n: b.points.length })}</summary>
      <div class="scroll">
        <table class="days">
          <thead><tr><th>{t("en.d.day")}</th>{columns.map(([w]) => <th key={w} class="n">{w}</th>)}<th /></tr></thead>
          <tbody>
            {[...b.points].reverse().map((p) => (
              <tr key={p.from} class={p.outside || p.missing.length > 0 ? "warn" : ""}>
                <th scope="row" class="nowrap">{date(Date.parse(p.from), zone).slice(0, 5)}</th>
                {columns.map(([w, v]) => <td key={w} class="n">{v(p)}</td>)}
                <td>
                  {p.outside_of.map((v) => <small key={v}>{t("en.d.outside", { variable: t(variableWord[v as Variable]) })} </small>)}
                  {p.missing.map((v) => <small key={v}>{t("en.d.missing", { variable: t(variableWord[v as Variable]) })} </small>)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Curve({ b, zone, until }: { b: Schemas["EnergyBaseline"]; zone: string; until: number }) {
  const { t } = useWords();
  const points = b.points.flatMap((p) => (p.cusum_wh === undefined ? [] : [{ at: Date.parse(p.from), v: p.cusum_wh / 1000, outside: p.outside }]));
  const first = points[0];
  const last = points[points.length - 1];
  if (!first || !last || points.length < 2) return <p class="small">{t("machine.empty")}</p>;
  const W = Math.min(1040, Math.max(280, document.documentElement.clientWidth - 60));
  const H = 220;
  const left = 56;
  const reach = Math.max(...points.map((p) => Math.abs(p.v)), 1);
  const low = Math.min(0, ...points.map((p) => p.v)) - reach * 0.1;
  const high = Math.max(0, ...points.map((p) => p.v)) + reach * 0.1;
  const x = (ms: number) => left + ((ms - first.at) / (last.at - first.at)) * (W - left - 12);
  const y = (v: number) => 10 + ((high - v) / (high - low)) * (H - 36);
  const edge = Math.min(Math.max(x(until), left), W - 12);
  return (
    <svg class="chart cusum" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={t("en.c.label", { v: number(last.v, 1) })}>
      <rect class="base" x={left} y={10} width={edge - left} height={H - 36} />
      <text class="basename" x={left + 6} y={24}>{t("en.c.base")}</text>
      {ticks(low, high, 5).map((v) => (
        <g key={v}>
          <line class={v === 0 ? "zero" : "grid"} x1={left} x2={W - 12} y1={y(v)} y2={y(v)} />
          <text x={left - 6} y={y(v) + 4} text-anchor="end">{v.toLocaleString("en-IN", { maximumFractionDigits: 2 })}</text>
        </g>
      ))}
      <text x={left} y={H - 6}>{date(first.at, zone).slice(0, 5)}</text>
      <text x={W - 12} y={H - 6} text-anchor="end">{date(last.at, zone).slice(0, 5)}</text>
      <text x={(W + left) / 2} y={H - 6} text-anchor="middle">kWh</text>
      <polyline class="line" points={points.map((p) => `${x(p.at).toFixed(1)},${y(p.v).toFixed(1)}`).join(" ")} />
      {points.map((p) => <circle key={p.at} class={p.outside ? "outside" : ""} cx={x(p.at)} cy={y(p.v)} r="3.5" />)}
    </svg>
  );
}
