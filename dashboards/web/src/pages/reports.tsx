import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { address, ApiError, get } from "../api";
import { useLoad, usePlace } from "../context";
import { lastMonths, monthName } from "../format";
import { useWords } from "../i18n";
import { Busy, Failed } from "../parts/status";

/** The month of the site or of a machine, and the report for schemes, with the same words as on paper. */
export function Reports({ month: asked, query }: { month: string; query: URLSearchParams }) {
  const { site, live, may } = usePlace();
  const { t, lang, name } = useWords();
  const months = lastMonths(live?.now() ?? Date.now(), site.zone, 37);
  const month = months.includes(asked) ? asked : (months[0] ?? "");
  const asks = query.get("kind");
  const kind = asks === "scheme" || asks === "meter" ? asks : "month";
  const machine = kind === "month" ? (query.get("machine") ?? "") : "";
  const sees = may("manager", "accountant");
  const params = { site: site.id, month, lang, machine: machine || undefined };
  const machines = useLoad(async (signal) => (sees ? (await get("/api/v1/sites/{site}/machines", { site: site.id }, signal)).machines : []), [site.id, sees]);
  const loaded = useLoad(async (signal) => {
    if (!sees) return undefined;
    if (kind === "scheme") return (await get("/api/v1/sites/{site}/reports/scheme", params, signal)).page;
    if (kind === "meter") return (await get("/api/v1/sites/{site}/reports/meter", params, signal)).page;
    return (await get("/api/v1/sites/{site}/reports/month", params, signal)).page;
  }, [site.id, month, lang, kind, machine, sees]);
  if (!sees) return <Failed error={new ApiError(403, "")} />;

  const go = (m: string, k: string, id: string) => {
    const q = new URLSearchParams();
    if (k !== "month") q.set("kind", k);
    else if (id) q.set("machine", id);
    location.hash = `#/reports/${m}${q.size > 0 ? `?${q}` : ""}`;
  };
  const file = (suffix: string) => address(`/api/v1/sites/{site}/reports/${kind}.${suffix}`, params);
  const page = loaded.data;
  return (
    <div class="sheet wide report">
      <h1>{t("rep.title")}</h1>
      <div class="tools noprint">
        <label>{t("rep.kind")}{" "}
          <select value={kind} onChange={(e) => go(month, e.currentTarget.value, machine)}>
            <option value="month">{t("rep.month")}</option>
            <option value="scheme">{t("rep.scheme")}</option>
            <option value="meter">{t("rep.meter")}</option>
          </select>
        </label>
        <label>{t("st.month")}{" "}
          <select value={month} onChange={(e) => go(e.currentTarget.value, kind, machine)}>
            {months.map((m) => <option key={m} value={m}>{monthName(m, lang)}</option>)}
          </select>
        </label>
        {kind === "month" ? (
          <label>{t("gap.machine")}{" "}
            <select value={machine} onChange={(e) => go(month, kind, e.currentTarget.value)}>
              <option value="">{t("gap.all")}</option>
              {(machines.data ?? []).filter((m) => !m.meter).map((m) => <option key={m.id} value={m.id}>{name(m.name, m.id)}</option>)}
            </select>
          </label>
        ) : null}
        <a class="button" href={file("pdf")} download>{t("rep.pdf")}</a>
        <a class="button" href={file("csv")} download>{t("st.csv")}</a>
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !page ? <Busy /> : (
        <>
          <section>
            <h2>{page.title}</h2>
            {page.subtitle.map((s) => <p key={s}>{s}</p>)}
          </section>
          {page.parts.map((p) => <Part key={p.heading} part={p} />)}
        </>
      )}
    </div>
  );
}

/** What a small screen shows of a row that is folded: its name and the key columns. The rest comes with a tap. */
function Row({ part, cells, link }: { part: Schemas["Part"]; cells: string[]; link: string }) {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const folds = part.columns.some((c, j) => j > 0 && !c.key && cells[j] !== "");
  const keys = part.columns.filter((c, j) => c.key && cells[j] !== "").length;
  return (
    <tr class={folds && !open ? "folded" : ""} style={{ "--keys": keys }}>
      {cells.map((c, j) => {
        const column = part.columns[j];
        if (j > 0) return c === "" ? <td key={j} class="zero" /> : <td key={j} class={`${column?.number ? "n" : ""} ${column?.key ? "stays" : ""}`} data-label={column?.head}>{c}</td>;
        return (
          <th key={j} scope="row">
            {link ? <a href={link}>{c}</a> : c}
            {folds ? <button type="button" class="more noprint" aria-expanded={open} aria-label={`${c}: ${t(open ? "rep.less" : "rep.more")}`} onClick={() => setOpen(!open)}>{open ? "▴" : "▾"}</button> : null}
          </th>
        );
      })}
    </tr>
  );
}

const small = matchMedia("(max-width: 40rem)");

function Part({ part }: { part: Schemas["Part"] }) {
  const row = (cells: string[] | null, i: number) => <Row key={cells?.[0] ?? i} part={part} cells={cells ?? []} link={part.links?.[i] ?? ""} />;
  const body = part.total ? part.rows.slice(0, -1) : part.rows;
  const inside = (
    <>
      {part.paragraphs.map((p) => <p key={p}>{p}</p>)}
      {part.columns.length > 0 ? (
        <div class="scroll" role="region" aria-label={part.heading} tabIndex={0}>
          <table class={part.columns.length > 2 ? "stack rows" : ""}>
            <thead><tr>{part.columns.map((c, i) => <th key={i} scope="col" class={c.number ? "n" : ""}>{c.head}</th>)}</tr></thead>
            <tbody>{body.map(row)}</tbody>
            {part.total ? <tfoot>{row(part.rows[part.rows.length - 1] ?? [], part.rows.length - 1)}</tfoot> : null}
          </table>
        </div>
      ) : null}
    </>
  );
  if (part.apart) return <section><details open={!small.matches}><summary><h2>{part.heading}</h2></summary>{inside}</details></section>;
  return <section><h2>{part.heading}</h2>{inside}</section>;
}
