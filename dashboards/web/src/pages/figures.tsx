import { useState } from "preact/hooks";
import { address, get } from "../api";
import { useLoad, usePlace } from "../context";
import { isoDay, lastMonths, midnight, monthDays, monthName } from "../format";
import { useWords } from "../i18n";
import { FigureBars, Meaning } from "../parts/figures";
import { Busy, Empty, Failed } from "../parts/status";

/** All machines of the site, one month: their figures beside each other. */
export function Figures() {
  const { live, site } = usePlace();
  const { t, name, lang } = useWords();
  const now = live?.now() ?? Date.now();
  const [month, choose] = useState(isoDay(now, site.zone).slice(0, 7));
  const { first, next } = monthDays(month);
  const span = { site: site.id, by: "month", from: new Date(midnight(first, site.zone)).toISOString(), to: new Date(midnight(next, site.zone)).toISOString() };
  const loaded = useLoad((signal) => get("/api/v1/sites/{site}/kpis", span, signal), [site.id, month]);
  return (
    <div class="sheet wide">
      <h1>{t("fig.title")}</h1>
      <p class="small">{t("fig.intro")}</p>
      <div class="tools noprint">
        <label>{t("fig.month")}{" "}
          <select value={month} onChange={(e) => choose(e.currentTarget.value)}>
            {lastMonths(now, site.zone, 13).map((m) => <option key={m} value={m}>{monthName(m, lang)}</option>)}
          </select>
        </label>
        <a class="button" href={address("/api/v1/sites/{site}/kpis.csv", { ...span, lang })} download>{t("fig.csv")}</a>
        <a class="button" href="#/calendar">{t("nav.calendar")}</a>
      </div>
      <Meaning />
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : (
        <ul class="figurelist">
          {loaded.data.machines.map((m) => (
            <li key={m.machine} data-machine={m.machine}>
              <h2><a href={`#/machine/${m.machine}`}>{name(m.name, m.machine)}</a></h2>
              {m.kpis[0] ? <FigureBars kpi={m.kpis[0]} reasons={loaded.data?.reasons ?? {}} /> : <Empty>{t("fig.none")}</Empty>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
