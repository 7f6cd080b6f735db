import { useState } from "preact/hooks";
import { ApiError, get, post } from "../api";
import { useLoad, usePlace } from "../context";
import { dateClock, energy, hours, joined, lastMonths, monthName, rupees } from "../format";
import { useWords } from "../i18n";
import { Busy, Empty, Failed, reason } from "../parts/status";
import { Assign } from "./sessions";

/** A month's drafts, one row for each group, and the run time that belongs to nobody. */
export function Statements({ month: asked }: { month: string }) {
  const { site, live, may, me } = usePlace();
  const { t, lang, name } = useWords();
  const months = lastMonths(live?.now() ?? Date.now(), site.zone, 13);
  const month = months.includes(asked) ? asked : (months[0] ?? "");
  const sees = may("manager", "accountant", "group");
  const makes = may("manager", "accountant");
  const [making, setMaking] = useState(false);
  const [said, say] = useState<{ good: string } | { bad: ApiError }>();
  const list = useLoad(async (signal) => (sees ? (await get("/api/v1/sites/{site}/statements", { site: site.id, month }, signal)).statements : []), [site.id, month, sees]);

  if (!sees) {
    return me.signed_in ? <Failed error={new ApiError(403, "")} /> : (
      <section class="sheet narrow"><h1>{t("st.title")}</h1><p>{t("st.sign")}</p><a class="button big" href="#/signin">{t("nav.signin")}</a></section>
    );
  }
  const make = async () => {
    setMaking(true);
    say(undefined);
    try {
      const made = await post("/api/v1/sites/{site}/statements", { site: site.id }, { month });
      say({ good: t("st.made", { n: made.statements.length }) });
      list.again();
    } catch (e) {
      say({ bad: e instanceof ApiError ? e : new ApiError(0, "") });
    } finally {
      setMaking(false);
    }
  };
  const rows = list.data ?? [];
  return (
    <div class="sheet wide">
      <h1>{t("st.title")}</h1>
      <div class="tools noprint">
        <label>{t("st.month")}{" "}
          <select value={month} onChange={(e) => { say(undefined); location.hash = `#/statements/${e.currentTarget.value}`; }}>
            {months.map((m) => <option key={m} value={m}>{monthName(m, lang)}</option>)}
          </select>
        </label>
        <a class="button" href="#/sessions">{t("se.title")}</a>
        <a class="button" href="#/jobs">{t("jo.title")}</a>
        {makes ? <button type="button" class="big" disabled={making} onClick={() => void make()}>{making ? t("st.making") : t(rows.length > 0 ? "st.again" : "st.make")}</button> : null}
      </div>
      <p role="status" class="said">{said && "good" in said ? said.good : ""}</p>
      {said && "bad" in said ? <p role="alert" class="wrong">{t(reason(said.bad))} <span lang="en">{said.bad.detail}</span></p> : null}
      {list.error ? <Failed error={list.error} again={list.again} /> : !list.data ? <Busy /> : rows.length === 0 ? <Empty>{t("st.empty")}</Empty> : (
        <table class="stack">
          <caption>{monthName(month, lang)}</caption>
          <thead>
            <tr><th>{t("st.group")}</th><th class="n">{t("st.run")}</th><th class="n">{t("st.energy")}</th><th class="n">{t("st.amount")}</th><th>{t("st.problems")}</th></tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.id}>
                <th scope="row"><a href={`#/statement/${r.id}`}>{name(r.group_name, r.group)}</a><small>{t("st.madeat", { time: dateClock(Date.parse(r.made), site.zone) })}</small></th>
                <td class="n" data-label={t("st.run")}>{hours(r.total.run_s)}</td>
                <td class="n" data-label={t("st.energy")}>{joined(energy(r.total.energy_wh))}</td>
                <td class="n money" data-label={t("st.amount")}>{rupees(r.total.amount_paise)}</td>
                <td data-label={t("st.problems")}>{r.was ? <small>{t("st.was", { time: dateClock(Date.parse(r.was.made), site.zone), amount: rupees(r.was.amount_paise) })}</small> : null}{r.problems > 0 ? <span class="flag">⚠ {t("st.problemcount", { n: r.problems })}</span> : t("st.none")}</td>
              </tr>
            ))}
          </tbody>
          {rows.length > 1 ? (
            <tfoot>
              <tr>
                <th scope="row">{t("st.total")}</th>
                <td class="n" data-label={t("st.run")}>{hours(rows.reduce((a, r) => a + r.total.run_s, 0))}</td>
                <td class="n" data-label={t("st.energy")}>{joined(energy(rows.reduce((a, r) => a + r.total.energy_wh, 0)))}</td>
                <td class="n money" data-label={t("st.amount")}>{rupees(rows.reduce((a, r) => a + r.total.amount_paise, 0))}</td>
                <td />
              </tr>
            </tfoot>
          ) : null}
        </table>
      )}
      {makes ? <Unattributed month={month} changed={list.again} /> : null}
    </div>
  );
}

function Unattributed({ month, changed }: { month: string; changed: () => void }) {
  const { site } = usePlace();
  const { t, name, billed } = useWords();
  const loaded = useLoad(async (signal) => (await get("/api/v1/sites/{site}/unattributed", { site: site.id, month }, signal)).machines, [site.id, month]);
  return (
    <section>
      <h2>{t("st.un.title")}</h2>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : loaded.data.length === 0 ? <Empty>{t("st.un.none")}</Empty> : (
        <>
          <p>{t("st.un.note")}</p>
          {loaded.data.map((m) => (
            <details key={m.machine}>
              <summary><b>{name(m.machine_name, m.machine)}</b> {billed(m.run_s)} · {joined(energy(m.energy_wh))} · {t("st.un.pieces", { n: m.stretches?.length ?? 0 })}</summary>
              <table>
                <thead><tr><th>{t("machine.from")}</th><th>{t("machine.to")}</th><th class="n">{t("machine.duration")}</th><th>{t("st.group")}</th></tr></thead>
                <tbody>
                  {(m.stretches ?? []).map((s) => (
                    <tr key={s.from}>
                      <td>{dateClock(Date.parse(s.from), site.zone)}</td><td>{dateClock(Date.parse(s.to), site.zone)}</td>
                      <td class="n">{billed(s.run_ms / 1000)}</td><td>{t(s.card_hash ? "live.unknowncard" : "live.nocard")}{" "}<Assign machine={m.machine} from={s.from} to={s.to} done={() => { loaded.again(); changed(); }} /></td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </details>
          ))}
        </>
      )}
    </section>
  );
}
