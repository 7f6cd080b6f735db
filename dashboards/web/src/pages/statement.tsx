import { Fragment } from "preact";
import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { get } from "../api";
import { useLoad, usePlace } from "../context";
import { clock, clockSeconds, date, dateClock, energy, hours, joined, monthName, rupees } from "../format";
import { useWords, type Key } from "../i18n";
import { StarNote, star } from "../parts/flags";
import { Held } from "../parts/held";
import { StateBar, StatePill } from "../parts/state";
import type { State } from "../bar";
import { Busy, Empty, Failed } from "../parts/status";

const problemWord: Record<string, Key> = { "no-tariff": "st.p.no-tariff", "open-session": "st.p.open-session", "month-open": "st.p.month-open", unbalanced: "st.p.unbalanced", correction: "st.p.correction", "bounded-time": "st.p.bounded", stale: "st.p.stale" };
const endWord: Record<string, Key> = { tap: "st.end.tap", takeover: "st.end.takeover", forgotten: "st.end.forgotten", open: "st.end.open", correction: "se.end.correction" };

/** One group's draft bill: what it used, what that costs, and why. */
export function StatementPage({ id }: { id: number }) {
  const { site } = usePlace();
  const { t, name, lang, billed } = useWords();
  const loaded = useLoad((signal) => get("/api/v1/sites/{site}/statements/{id}", { site: site.id, id }, signal), [site.id, id]);
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  if (!loaded.data) return <Busy />;
  const s = loaded.data.statement;
  const lines = s.lines ?? [];
  return (
    <article class="sheet wide paper">
      <a class="back noprint" href={`#/statements/${s.month}`}>← {t("st.back")}</a>
      <header class="paperhead">
        <div>
          <p class="papersite">{name(s.site_name, s.site)}</p>
          <h1>{name(s.group_name, s.group)}</h1>
          <p>{monthName(s.month, lang)} · {t("st.madeat", { time: dateClock(Date.parse(s.made), s.zone) })}</p>
        </div>
        <span class="stamp">{t("st.draft")}</span>
      </header>
      <div class="tools noprint">
        <a class="button" href={`/api/v1/sites/${encodeURIComponent(site.id)}/statements/${id}.csv?lang=${lang}`} download>{t("st.csv")}</a>
        <button type="button" onClick={() => print()}>{t("st.print")}</button>
      </div>
      {s.was ? <p class="late">{t("st.was", { time: dateClock(Date.parse(s.was.made), s.zone), amount: rupees(s.was.amount_paise) })}</p> : null}
      <Problems statement={s} />
      {lines.length === 0 ? <Empty>{t("st.noline")}</Empty> : (
        <table class="stack lines">
          <caption class="hidden">{t("st.lines")}</caption>
          <thead>
            <tr>
              <th>{t("st.when")}</th><th class="n">{t("state.run")}</th><th class="n">{t("st.idle")}</th><th class="n">{t("st.unknown")}</th>
              <th class="n">{t("st.energy")}</th><th class="n">{t("st.rate")}</th><th class="n">{t("st.amount")}</th>
            </tr>
          </thead>
          {(s.machines ?? []).map((m) => (
            <MachineLines key={m.machine} subtotal={m} lines={lines.filter((l) => l.machine === m.machine)} zone={s.zone} unfolded={lines.length <= 40} again={loaded.again} />
          ))}
          <tfoot>
            <tr><th scope="row">{t("st.total")}</th><Sums total={s.total} /></tr>
          </tfoot>
        </table>
      )}
      {(s.training ?? []).length > 0 ? (
        <section>
          <h2>{t("se.training")}</h2>
          <ul>{(s.training ?? []).map((l) => <li key={l.machine + l.from}>{name(l.machine_name, l.machine)} · <span class="nowrap">{date(Date.parse(l.from), s.zone)} {clock(Date.parse(l.from), s.zone)}–{clock(Date.parse(l.to), s.zone)}</span> · {billed(l.run_s)}</li>)}</ul>
        </section>
      ) : null}
      <StarNote flags={lines.flatMap((l) => l.energy_flags ?? [])} />
    </article>
  );
}

/** A machine's lines and subtotal. Long statements begin folded on the screen; on paper every line stands. */
function MachineLines({ subtotal: m, lines, zone, unfolded, again }: { subtotal: Schemas["Subtotal"]; lines: Schemas["Line"][]; zone: string; unfolded: boolean; again: () => void }) {
  const { t, name } = useWords();
  const [open, setOpen] = useState(unfolded);
  return (
    <tbody class={open ? undefined : "folded"}>
      <tr class="machinerow">
        <th colSpan={7} scope="rowgroup">
          {name(m.machine_name, m.machine)} <small>{t("st.linecount", { n: lines.length })}</small>
          <button type="button" class="fold noprint" aria-expanded={open} onClick={() => setOpen(!open)}>{t(open ? "st.lines.hide" : "st.lines.show")}</button>
        </th>
      </tr>
      {lines.map((l) => <LineRow key={`${l.machine}${l.from}`} line={l} zone={zone} again={again} />)}
      <tr class="subtotal">
        <th scope="row">{t("st.subtotal", { machine: name(m.machine_name, m.machine) })}</th>
        <Sums total={m} />
      </tr>
    </tbody>
  );
}

function Sums({ total }: { total: Schemas["Total"] | Schemas["Subtotal"] }) {
  const { t, billed } = useWords();
  return (
    <>
      <td class="n" data-label={t("state.run")}>{billed(total.run_s)}<small>{hours(total.run_s)}&nbsp;{t("time.hour")}</small></td>
      <td class={total.idle_s > 0 ? "n" : "n zero"} data-label={t("st.idle")}>{total.idle_s > 0 ? billed(total.idle_s) : "–"}</td>
      <td class={total.unknown_s > 0 ? "n" : "n zero"} data-label={t("st.unknown")}>{total.unknown_s > 0 ? billed(total.unknown_s) : "–"}</td>
      <td class="n" data-label={t("st.energy")}>{joined(energy(total.energy_wh))}</td>
      <td class="n nolabel" />
      <td class="n money" data-label={t("st.amount")}>{rupees(total.amount_paise)}</td>
    </>
  );
}

function Problems({ statement: s }: { statement: Schemas["Statement"] }) {
  const { t, name } = useWords();
  const problems = s.problems ?? [];
  if (problems.length === 0) return null;
  const names = new Map((s.machines ?? []).map((m) => [m.machine, m.machine_name]));
  const kinds = new Map<string, typeof problems>();
  for (const p of problems) kinds.set(`${p.code} ${p.machine ?? ""}`, [...(kinds.get(`${p.code} ${p.machine ?? ""}`) ?? []), p]);
  return (
    <section class="problems">
      <h2>⚠ {t("st.problems")}</h2>
      <ul>
        {[...kinds.entries()].map(([kind, [p, ...more]]) => p && (
          <li key={kind}>
            {p.machine ? <b>{name(names.get(p.machine), p.machine)}: </b> : null}
            {t(problemWord[p.code] ?? "error.other")}
            {more.length > 0 ? ` (${t("st.times", { n: more.length + 1 })})` : p.from ? ` (${dateClock(Date.parse(p.from), s.zone)})` : ""}
          </li>
        ))}
      </ul>
    </section>
  );
}

function LineRow({ line: l, zone, again }: { line: Schemas["Line"]; zone: string; again: () => void }) {
  const { t, billed } = useWords();
  const [open, setOpen] = useState(false);
  const from = Date.parse(l.from);
  const to = Date.parse(l.to);
  const end = endWord[l.end_reason];
  return (
    <Fragment>
      <tr class="line">
        <th scope="row">
          <span class="nowrap">{date(from, zone)}</span> <span class="nowrap">{clock(from, zone)}–{clock(to, zone)}</span>{" "}
          <button type="button" class="evidencebutton noprint" aria-expanded={open} onClick={() => setOpen(!open)}>{t(open ? "st.evidence.hide" : "st.evidence")}</button>
          {end && l.end_reason !== "tap" ? <small>{t(end)}</small> : null}
          {(l.corrections ?? []).map((c) => <small key={c.id}>✎ {c.reason} ({c.author})</small>)}
          {(l.held ?? []).map((h) => <Held key={h.from} held={h} machine={l.machine} zone={zone} done={again} />)}
          {l.problem ? <small class="flag">⚠ {t(problemWord[l.problem] ?? "error.other")}</small> : null}
        </th>
        <td class="n" data-label={t("state.run")}>{billed(l.run_s)}</td>
        <td class={l.idle_s > 0 ? "n" : "n zero"} data-label={t("st.idle")}>{l.idle_s > 0 ? billed(l.idle_s) : "–"}</td>
        <td class={l.unknown_s > 0 ? "n" : "n zero"} data-label={t("st.unknown")}>{l.unknown_s > 0 ? billed(l.unknown_s) : "–"}</td>
        <td class="n" data-label={t("st.energy")}>{joined(energy(l.energy_wh))}{star(l.energy_flags)}</td>
        <td class="n" data-label={t("st.rate")}>{l.tariff ? rupees(l.tariff.paise_per_run_hour) : "–"}</td>
        <td class="n money" data-label={t("st.amount")}>{rupees(l.amount_paise)}</td>
      </tr>
      {open ? <tr class="evidence"><td colSpan={7}><Evidence line={l} zone={zone} /></td></tr> : null}
    </Fragment>
  );
}

function Evidence({ line, zone }: { line: Schemas["Line"]; zone: string }) {
  const { t, billed } = useWords();
  const from = Date.parse(line.from);
  const to = Date.parse(line.to);
  const pieces = (line.evidence.intervals ?? []).map((p) => ({ state: p.state as State, from: Date.parse(p.from), to: Date.parse(p.to) }));
  return (
    <section aria-label={t("st.evidence.title")}>
      <h3>{t("st.evidence.title")}</h3>
      <StateBar pieces={pieces} from={from} to={to} marks={[clock(from, zone), clock(to, zone)]} />
      <table>
        <thead><tr><th>{t("machine.state")}</th><th>{t("machine.from")}</th><th>{t("machine.to")}</th><th class="n">{t("machine.duration")}</th></tr></thead>
        <tbody>
          {pieces.map((p) => (
            <tr key={p.from}>
              <td><StatePill state={p.state} /></td><td>{clockSeconds(p.from, zone)}</td><td>{clockSeconds(p.to, zone)}</td><td class="n">{billed((p.to - p.from) / 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
