import { useState } from "preact/hooks";
import type { Machine, Schemas } from "../api";
import { address, get } from "../api";
import { useLive, useLoad, usePlace } from "../context";
import { dateClock, energy, isoDay, joined, lastMonths, midnight, monthDays, monthName, number, percent, power, rupees, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { Cusum } from "../parts/cusum";
import { Marks } from "../parts/flags";
import { stateWord } from "../parts/state";
import { Meaning } from "../parts/figures";
import { Busy, Empty, Failed } from "../parts/status";

const spans = ["today", "week", "31"] as const;
type SpanName = (typeof spans)[number];
const spanWord: Record<SpanName, Key> = { today: "gap.today", week: "en.week", 31: "en.31" };
const meant: readonly (readonly [Key, Key])[] = [
  ["en.d.idle", "en.m.idle"], ["en.d.perhour", "en.m.perhour"], ["en.d.nosession", "en.m.nosession"], ["en.d.loadfactor", "en.m.loadfactor"], ["en.d.pf", "en.m.pf"],
  ["en.d.loading", "en.m.loading"], ["en.d.cost", "en.m.cost"], ["en.d.estimated", "en.m.estimated"],
];

const noteWord: Record<string, Key> = {
  "untariffed": "en.n.untariffed", "no-tariff": "en.n.notariff", "no-pf": "en.n.nopf", "no-rating": "en.n.norating", "low-coverage": "en.n.coverage",
  "factor-before": "en.n.factor", "no-factor": "en.n.nofactor", "demand-no-pf": "en.n.demand", "no-main-meter": "en.n.nomain",
};

const states = ["run", "idle", "off", "unknown"] as const;
const kWh = (wh: number) => joined(energy(wh));

/** What the machines drew, when, what it cost, and how it compares with the main meter and with before. */
export function Energy() {
  const { live } = usePlace();
  useLive(live);
  if (!live) return null;
  if (!live.loaded) return live.error ? <Failed error={live.error} /> : <Busy />;
  return <Page today={live.now()} machines={live.machines.filter((v) => !v.machine.meter).map((v) => v.machine)} />;
}

function Page({ today: now, machines }: { today: number; machines: readonly Machine[] }) {
  const { site } = usePlace();
  const { t, lang } = useWords();
  const today = isoDay(now, site.zone);
  const [span, setSpan] = useState<string>(today.slice(0, 7)); // a name of spans, or a month
  const month = /^\d{4}-\d{2}$/.test(span) ? monthDays(span) : undefined;
  const first = month ? month.first : shiftDay(today, span === "today" ? 0 : span === "week" ? -6 : -30);
  const next = month && month.next < today ? month.next : shiftDay(today, 1);
  const asked = { site: site.id, from: new Date(midnight(first, site.zone)).toISOString(), to: new Date(midnight(next, site.zone)).toISOString() };
  const loaded = useLoad(async (signal) => (await get("/api/v1/sites/{site}/energy", asked, signal)).periods, [site.id, span, today]);
  const p = loaded.data?.[0];
  return (
    <div class="sheet wide energy">
      <h1>{t("en.title")}</h1>
      <div class="tools noprint">
        <div class="choice" role="group" aria-label={t("gap.span")}>
          {spans.map((s) => <button key={s} type="button" aria-pressed={span === s} onClick={() => setSpan(s)}>{t(spanWord[s])}</button>)}
        </div>
        <label>{t("fig.month")}{" "}
          <select value={month ? span : ""} onChange={(e) => e.currentTarget.value && setSpan(e.currentTarget.value)}>
            {month ? null : <option value="">–</option>}
            {lastMonths(now, site.zone, 13).map((m) => <option key={m} value={m}>{monthName(m, lang)}</option>)}
          </select>
        </label>
        <a class="button" href={address("/api/v1/sites/{site}/energy.csv", { ...asked, by: "day", lang })} download>{t("gap.csv")}</a>
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : !p || silent(p) ? <Empty>{t("en.silent")}</Empty> : (
        <>
          <Totals p={p} />
          <Machines p={p} />
          <Bands p={p} />
          <Balance p={p} />
          <Meaning words={meant} />
        </>
      )}
      <Cusum machines={machines} today={today} />
    </div>
  );
}

/** Nothing was heard of any machine: zeros would be a guess. */
function silent(p: Schemas["SiteEnergy"]): boolean {
  return [...p.machines, ...(p.main ? [p.main] : [])].every((u) => !u.coverage && u.energy_wh === 0);
}

function Totals({ p }: { p: Schemas["SiteEnergy"] }) {
  const { t } = useWords();
  const { site } = usePlace();
  const sum = (f: (m: Schemas["MachineEnergy"]) => number) => p.machines.reduce((a, m) => a + f(m), 0);
  const all = p.main ?? undefined;
  const wh = all?.energy_wh ?? sum((m) => m.energy_wh);
  const machines = sum((m) => m.energy_wh);
  const paise = all ? all.energy_paise : p.machines.every((m) => m.energy_paise !== undefined) ? sum((m) => m.energy_paise ?? 0) : undefined;
  const fixed = p.fixed.reduce((a, f) => a + f.paise + f.duty_paise, 0);
  const co2 = all ? all.co2_kg : sum((m) => m.co2_kg);
  const factors = new Map((all ? [all] : p.machines).flatMap((u) => u.co2).map((c) => [c.version, c]));
  const notes = [...new Set([...p.notes, ...(all?.notes ?? []), ...p.machines.flatMap((m) => m.notes)])].filter((n) => n !== "low-coverage" && n !== "factor-before");
  const demand = p.fixed.filter((f) => f.demand_w > 0).sort((a, b) => b.demand_w - a.demand_w)[0];
  return (
    <section>
      <ul class="bigsums">
        <li><b>{kWh(wh)}</b><span>{all ? t("en.main") : t("en.sum")} <Marks flags={all?.energy_flags ?? p.machines.flatMap((m) => m.energy_flags)} />{all?.coverage !== undefined && all.coverage < 0.995 ? ` · ${t("en.coverage", { v: percent(all.coverage) })}` : ""}</span></li>
        <li><b>{paise === undefined ? "–" : rupees(paise)}</b><span>{t("en.cost")}</span></li>
        {fixed > 0 ? <li><b>{rupees(fixed)}</b><span>{t("en.fixed")}</span></li> : null}
        <li><b>{percent(machines > 0 ? sum((m) => m.idle_wh) / machines : undefined)}</b><span>{t("en.idle")}</span></li>
        <li><b>{number(co2, 0)}{"\u00a0"}kg</b><span>CO₂ · {[...factors.values()].map((c) => `${c.kg_per_kwh} kg/kWh, ${c.version}${c.factor_year === c.year ? "" : ` (${t("en.factorof", { year: c.factor_year })})`}`).join("; ") || t("en.n.nofactor")}</span></li>
        {all?.power_factor === undefined ? null : <li><b>{number(all.power_factor, 2)}</b><span>{t("en.d.pf")}</span></li>}
        {demand ? <li><b>{joined(power(demand.demand_w))}</b><span>{t("en.demand", { at: demand.demand_at ? dateClock(Date.parse(demand.demand_at), site.zone) : "–" })}</span></li> : null}
      </ul>
      {notes.map((n) => (noteWord[n] ? <p key={n} class="small warn">{t(noteWord[n])}</p> : null))}
    </section>
  );
}

function Machines({ p }: { p: Schemas["SiteEnergy"] }) {
  const { t, name } = useWords();
  const { live } = usePlace();
  const most = Math.max(...p.machines.map((m) => m.energy_wh), 1);
  const rows = [...p.machines].sort((a, b) => b.energy_wh - a.energy_wh);
  return (
    <section>
      <h2>{t("en.machines")}</h2>
      <ul class="usekey" aria-hidden="true">{states.map((s) => <li key={s}><i class={`chip s-${s}`} />{t(stateWord[s])}</li>)}</ul>
      <ul class="usebars">
        {rows.map((m) => {
          const parts = [m.run_wh, m.idle_wh, m.off_wh, m.unknown_wh];
          let x = 0;
          return (
            <li key={m.machine}>
              <a href={`#/machine/${m.machine}`}>{name(live?.machines.find((v) => v.machine.id === m.machine)?.machine.name, m.machine)}</a>
              <b class="n"><Marks flags={m.energy_flags} />{kWh(m.energy_wh)}</b>
              <svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label={states.map((s, i) => `${t(stateWord[s])} ${kWh(parts[i] ?? 0)}`).join(", ")}>
                {parts.map((v, i) => {
                  const at = x;
                  x += (v / most) * 1000;
                  return <rect key={states[i]} class={`bar s-${states[i]}`} x={at} y="0" width={(v / most) * 1000} height="20" />;
                })}
              </svg>
              <small>
                {m.idle_share === undefined ? t("en.n.coverage") : t("en.idleof", { share: percent(m.idle_share) })}
                {m.wh_per_run_hour === undefined ? "" : ` · ${t("en.perhour", { e: kWh(m.wh_per_run_hour) })}`}
                {m.no_session_wh > 0 ? ` · ${t("en.nosession", { e: kWh(m.no_session_wh) })}` : ""}
                {m.energy_paise === undefined ? "" : ` · ${rupees(m.energy_paise)}`}
                {m.fixed_paise ? ` + ${t("en.fixedpart", { r: rupees(m.fixed_paise) })}` : ""}
                {m.load_factor === undefined ? "" : ` · ${t("en.loadfactor", { v: percent(m.load_factor) })}`}
                {m.power_factor === undefined ? "" : ` · ${t("en.pf", { v: number(m.power_factor, 2) })}`}
                {m.loading === undefined ? "" : ` · ${t("en.loading", { v: percent(m.loading) })}`}
                {m.coverage !== undefined && m.coverage < 0.995 ? ` · ${t("en.coverage", { v: percent(m.coverage) })}` : ""}
              </small>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Bands({ p }: { p: Schemas["SiteEnergy"] }) {
  const { t, name } = useWords();
  const sums = new Map<string, { band: Schemas["EnergyBand"]; wh: number; paise: number }>();
  for (const b of (p.main ? [p.main] : p.machines).flatMap((u) => u.bands)) {
    const key = `${b.tariff_from} ${b.band}`;
    const row = sums.get(key) ?? { band: b, wh: 0, paise: 0 };
    sums.set(key, { ...row, wh: row.wh + b.energy_wh, paise: row.paise + (b.paise ?? 0) });
  }
  if (sums.size === 0) return null;
  const rows = [...sums.values()];
  const most = Math.max(...rows.map((r) => r.wh), 1);
  const orders = [...new Set(rows.map((r) => r.band.order))];
  return (
    <section>
      <h2>{t("en.bands")}</h2>
      <ul class="usebars">
        {rows.map((r) => (
          <li key={r.band.tariff_from + r.band.band}>
            <span>{name(r.band.name, r.band.band)}{r.band.percent ? <small> {r.band.percent > 0 ? "+" : "−"}{number(Math.abs(r.band.percent), 0)}{"\u00a0%"}</small> : null}</span>
            <b class="n">{kWh(r.wh)} · {r.band.paise === undefined ? "–" : rupees(r.paise)}</b>
            <svg viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true"><rect class={`tod ${r.band.percent > 0 ? "dear" : r.band.percent < 0 ? "cheap" : ""}`} x="0" y="0" width={(r.wh / most) * 1000} height="20" /></svg>
          </li>
        ))}
      </ul>
      <p class="small">{orders.join("; ")}. {t("en.rounding")}</p>
    </section>
  );
}

function Balance({ p }: { p: Schemas["SiteEnergy"] }) {
  const { t } = useWords();
  const b = p.balance;
  if (!b || b.main_wh <= 0) return null;
  const metered = b.machines_wh - b.over_wh - b.main_silent_wh;
  const parts: readonly (readonly [string, Key, number])[] = [
    ["metered", "en.b.machines", Math.max(metered, 0)], ["unmetered", "en.b.unmetered", b.unmetered_wh], ["gone", "en.b.unknown", b.unknown_wh], ["guess", "en.b.estimated", b.estimated_wh],
  ];
  let x = 0;
  return (
    <section>
      <h2>{t("en.balance")}</h2>
      <svg class="balance" viewBox="0 0 1000 30" preserveAspectRatio="none" role="img" aria-label={parts.map(([, w, v]) => `${t(w)} ${kWh(v)}`).join(", ")}>
        {parts.map(([id, , v]) => {
          const at = x;
          x += (v / b.main_wh) * 1000;
          return <rect key={id} class={`b-${id}`} x={at} y="0" width={(v / b.main_wh) * 1000} height="30" />;
        })}
      </svg>
      <ul class="balancekey">
        {parts.filter(([, , v]) => v > 0).map(([id, w, v]) => <li key={id}><i class={`b-${id}`} />{t(w)} <b>{kWh(v)}</b> {percent(v / b.main_wh)}</li>)}
        {b.over_wh > 0 ? <li class="hot">{t("en.b.over", { e: kWh(b.over_wh), n: b.over_hours })}</li> : null}
        {b.main_silent_wh > 0 ? <li>{t("en.b.silent", { e: kWh(b.main_silent_wh), n: b.silent_hours })}</li> : null}
      </ul>
    </section>
  );
}
