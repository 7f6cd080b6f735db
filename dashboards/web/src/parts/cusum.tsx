import { useState } from "preact/hooks";
import type { Machine, Schemas } from "../api";
import { get } from "../api";
import { useLoad, usePlace } from "../context";
import { date, energy, joined, midnight, number, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { ticks } from "./charts";
import { Busy, Failed } from "./status";

const doubtWord: Record<string, Key> = { "few-periods": "en.c.few", "no-spread": "en.c.spread", "low-r2": "en.c.lowr2", "negative-slope": "en.c.negative" };

/** A machine's days against its own baseline: the curve falls while it draws more than it used to for its run-hours. */
export function Cusum({ machines, today }: { machines: readonly Machine[]; today: string }) {
  const { site } = usePlace();
  const { t, name } = useWords();
  const [chosen, choose] = useState("");
  const [from, setFrom] = useState(shiftDay(today, -31));
  const [until, setUntil] = useState(shiftDay(today, -7));
  const machine = chosen || machines[0]?.id || "";
  const iso = (day: string) => new Date(midnight(day, site.zone)).toISOString();
  const right = from < until && until <= today;
  const loaded = useLoad(async (signal) => (machine && right ? await get("/api/v1/sites/{site}/machines/{machine}/baseline", {
    site: site.id, machine, from: iso(from), to: iso(today), base_from: iso(from), base_to: iso(until),
  }, signal) : undefined), [site.id, machine, from, until, today]);
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
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !right ? <p class="warn">{t("en.c.dates")}</p> : !b ? <Busy /> : b.refused ? (
        <p class="warn">{t(doubtWord[b.refused] ?? "en.c.few", { n: b.days })}</p>
      ) : (
        <>
          <Curve b={b} zone={site.zone} until={Date.parse(b.base_to)} />
          <p class="small">
            {t("en.c.line", { standing: joined(energy(b.standing_wh)), slope: joined(energy(b.wh_per_run_hour)), r2: number(b.r2, 2), n: b.days })}
            {b.left_out > 0 ? ` ${t("en.c.leftout", { n: b.left_out })}` : ""}
            {b.points.some((p) => p.outside) ? ` ${t("en.c.outside", { n: b.points.filter((p) => p.outside).length })}` : ""}
            {b.points.some((p) => p.energy_estimated) ? ` ${t("en.c.estimated", { n: b.points.filter((p) => p.energy_estimated).length })}` : ""}
          </p>
          {b.doubts.map((d) => <p key={d} class="warn small">{t(doubtWord[d] ?? "en.c.lowr2", { n: b.days })}</p>)}
        </>
      )}
    </section>
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
