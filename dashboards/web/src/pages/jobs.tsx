import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { address, get, post } from "../api";
import { useLoad, useLive, usePlace } from "../context";
import { clock, dateClock, energy, joined, number } from "../format";
import { useWords } from "../i18n";
import { Cards, CorrectWork, correctionWord, Details, heatWord, useAct, Work, Wrong } from "../parts/jobforms";
import { StarNote, star } from "../parts/flags";
import { Busy, Empty, Failed } from "../parts/status";

const newest = 12; // jobs that stand above the form; the rest comes with a tap

/** Jobs of the site, and a form to enter one. */
export function Jobs() {
  const { site, may } = usePlace();
  const { t, name } = useWords();
  const [all, showAll] = useState(false);
  const loaded = useLoad(async (signal) => {
    const [j, g] = await Promise.all([get("/api/v1/sites/{site}/jobs", { site: site.id }, signal), get("/api/v1/sites/{site}/groups", { site: site.id }, signal)]);
    return { ...j, groups: g.groups };
  }, [site.id]);
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  if (!loaded.data) return <Busy />;
  const { jobs, metals, groups } = loaded.data;
  return (
    <div class="sheet wide">
      {may("manager", "accountant", "group") ? <a class="back noprint" href="#/statements">← {t("st.title")}</a> : null}
      <h1>{t("jo.title")}</h1>
      {may("technician") ? <div class="tools noprint"><a class="button" href="#/sessions">{t("se.title")}</a></div> : null}
      <p class="small">{t("jo.intro")}</p>
      {jobs.length === 0 ? <Empty>{t("jo.none")}</Empty> : (
        <ul class="gaplist">{(all ? jobs : jobs.slice(0, newest)).map((j) => <li key={j.number} class="gap"><h2><a href={`#/job/${j.number}`}>{j.number}</a> {j.title}</h2><p class="small">{[j.buyer, j.group ? name(groups.find((g) => g.id === j.group)?.name, j.group) : ""].filter(Boolean).join(" · ")}</p></li>)}</ul>
      )}
      {jobs.length > newest && !all ? <button type="button" onClick={() => showAll(true)}>{t("jo.all", { n: jobs.length })}</button> : null}
      {may("manager", "accountant", "technician") ? (
        <section>
          <h2>{t("jo.new")}</h2>
          <Details groups={groups} metals={metals} done={(no) => { location.hash = `#/job/${no}`; }} />
        </section>
      ) : null}
    </div>
  );
}

/** What a job took, as a sheet for the buyer, and all that people enter of it. */
export function JobPage({ id }: { id: string }) {
  const { site, live, may } = usePlace();
  useLive(live);
  const { t, name, lang, duration } = useWords();
  const [changing, setChanging] = useState(false);
  const enters = may("manager", "accountant", "technician");
  const loaded = useLoad(async (signal) => {
    const s = await get("/api/v1/sites/{site}/jobs/{job}", { site: site.id, job: id }, signal);
    if (!enters) return { s, metals: [], groups: [] };
    const [j, g] = await Promise.all([get("/api/v1/sites/{site}/jobs", { site: site.id }, signal), get("/api/v1/sites/{site}/groups", { site: site.id }, signal)]);
    return { s, metals: j.metals, groups: g.groups };
  }, [site.id, id, enters]);
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  if (!loaded.data) return <Busy />;
  const { s, metals, groups } = loaded.data;
  const file = (suffix: string) => address(`/api/v1/sites/{site}/jobs/{job}.${suffix}`, { site: site.id, job: id, lang });
  return (
    <article class="sheet wide paper">
      <a class="back noprint" href="#/jobs">← {t("jo.title")}</a>
      <header class="paperhead">
        <div>
          <p class="papersite">{name(s.site_name, s.site)}</p>
          <h1>{t("jo.job")} {s.number}</h1>
          <p>{[s.title, s.buyer, s.group ? name(s.group_name, s.group) : ""].filter(Boolean).join(" · ")}</p>
          <p>{[s.weight_g > 0 ? `${number(s.weight_g / 1000, s.weight_g % 1000 ? 3 : 0)} kg` : "", s.pieces > 0 ? t("jo.npieces", { n: number(s.pieces) }) : "", t("st.madeat", { time: dateClock(Date.parse(s.made), s.zone) })].filter(Boolean).join(" · ")}</p>
        </div>
      </header>
      <div class="tools noprint">
        <a class="button" href={file("pdf")} download>{t("rep.pdf")}</a>
        <a class="button" href={file("csv")} download>{t("st.csv")}</a>
        <button type="button" onClick={() => print()}>{t("st.print")}</button>
      </div>
      {s.stretches.length === 0 ? <Empty>{t("jo.nowork")}</Empty> : (
        <table class="stack">
          <thead><tr><th>{t("jo.machine")}</th><th class="n">{t("state.run")}</th><th class="n">{t("st.energy")}</th><th class="n">CO₂</th><th class="n">{t("jo.coverage")}</th></tr></thead>
          <tbody>{s.stretches.map((x) => <Row key={x.machine + x.from} job={id} x={x} zone={s.zone} again={loaded.again} />)}</tbody>
          <tfoot><tr><th scope="row">{t("st.total")}</th><Figures f={s.total} /></tr></tfoot>
        </table>
      )}
      {s.wh_per_kg ? <p><b>{joined(energy(s.wh_per_kg))}</b> / kg</p> : null}
      {s.wh_per_piece ? <p><b>{joined(energy(s.wh_per_piece))}</b> / {t("jo.piece")}</p> : null}
      {s.heat ? <Heat heat={s.heat} /> : null}
      <StarNote flags={s.total.energy_flags} />
      {s.total.energy_estimated ? <p class="small">{t("jo.estimated")} {joined(energy(s.total.estimated_milliwh / 1000))}</p> : null}
      {s.late.map((l) => <p key={l.machine + l.from} class="small flag">{t("jo.late", { machine: name(l.machine_name, l.machine), from: dateClock(Date.parse(l.from), s.zone), to: clock(Date.parse(l.to), s.zone), time: dateClock(Date.parse(l.filled), s.zone) })}</p>)}
      {s.factors.map((f) => <p key={f.used_for} class="small">{t(f.year === f.used_for ? "jo.factor" : "jo.factorbefore", { kg: f.micro_kg_per_kwh / 1e6, version: f.version, year: f.year, used: f.used_for })}</p>)}
      {s.total.unknown_ms > 0 ? <p class="small">{t("jo.unknown", { time: duration(s.total.unknown_ms / 1000) })}</p> : null}
      {s.corrections.length > 0 ? (
        <section>
          <h2>{t("se.corrections")}</h2>
          <ul>{s.corrections.map((c) => (
            <li key={c.made + c.kind}>{t(correctionWord[c.kind])}{c.from ? <>: {name(c.machine_name, c.machine)}, <span class="nowrap">{dateClock(Date.parse(c.from), s.zone)} – {c.to ? clock(Date.parse(c.to), s.zone) : t("machine.open")}</span></> : ""}<br />„{c.reason}“ — {c.author}, <span class="nowrap">{dateClock(Date.parse(c.made), s.zone)}</span></li>
          ))}</ul>
        </section>
      ) : null}
      {enters && live ? (
        <>
          <Work job={id} done={loaded.again} />
          <Cards sheet={s} done={loaded.again} />
          <section class="noprint" data-form="details">
            {changing ? <><h2>{t("jo.change")}</h2><Details was={s} groups={groups} metals={metals} done={() => { setChanging(false); loaded.again(); }} /></> : null}
            <button type="button" onClick={() => setChanging(!changing)}>{t(changing ? "se.close" : "jo.change")}</button>
          </section>
        </>
      ) : null}
    </article>
  );
}

function Row({ job, x, zone, again }: { job: string; x: Schemas["JobStretch"]; zone: string; again: () => void }) {
  const { site, may } = usePlace();
  const { t, name } = useWords();
  const [open, setOpen] = useState(false);
  const { busy, error, act } = useAct(again);
  return (
    <tr>
      <th scope="row">
        {name(x.machine_name, x.machine)}
        <small>{dateClock(Date.parse(x.from), zone)} – {x.open ? t("machine.open") : clock(Date.parse(x.to), zone)} · {x.source === "tap" ? t("jo.tap") : x.by}</small>
        {x.register ? <small>{t("jo.register", { from: number(x.register.from_wh / 1000, 3), to: number(x.register.to_wh / 1000, 3) })}</small> : null}
        {x.open && x.id === 0 ? <small class="noprint">{t("jo.tapend")}</small> : null}
        {x.shared ? <small class="flag">⚠ {t("jo.shared")}</small> : null}
        <details class="noprint"><summary>{t("st.evidence")}</summary><ul>{x.intervals.map((p) => <li key={p.from}>{t(p.state === "run" ? "state.run" : p.state === "idle" ? "state.idle" : p.state === "off" ? "state.off" : "state.unknown")} {clock(Date.parse(p.from), zone)}–{clock(Date.parse(p.to), zone)} · {joined(energy(p.energy_milliwh / 1000))}{star(p.energy_flags)}</li>)}</ul></details>
        <div class="buttons noprint">
          {x.open && x.id > 0 && may("manager", "accountant", "technician") ? <button type="button" disabled={busy} onClick={() => void act(() => post("/api/v1/sites/{site}/jobs/{job}/work/{id}/end", { site: site.id, job, id: x.id }, {}))}>{t("jo.end")}</button> : null}
          {may("manager", "accountant") ? <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>{t(open ? "se.close" : "se.correct")}</button> : null}
        </div>
        {open ? <CorrectWork job={job} stretch={x} done={() => { setOpen(false); again(); }} /> : null}
        {error ? <Wrong error={error} /> : null}
      </th>
      <Figures f={x} />
    </tr>
  );
}

/** The useful heat of a furnace job, or why there is none. */
function Heat({ heat: h }: { heat: Schemas["JobHeat"] }) {
  const { t, name } = useWords();
  const why = heatWord[h.why ?? ""];
  return (
    <section>
      <h2>{t("jo.heat")}</h2>
      {h.metal ? <p>{t("jo.heated", { metal: name(h.metal_name, h.metal), from: number(h.start_c), to: number(h.end_c) })}</p> : null}
      {h.useful_milliwh !== undefined ? <p>{t("jo.useful", { useful: joined(energy(h.useful_milliwh / 1000)), all: joined(energy(h.furnace_milliwh / 1000)) })}</p> : null}
      <p>{t("jo.efficiency")}: <b>{h.efficiency !== undefined ? `${h.energy_estimated ? "~" : ""}${number(h.efficiency * 100, 1)} %` : t("jo.undefined", { why: why ? t(why) : "" })}</b></p>
    </section>
  );
}

function Figures({ f }: { f: Schemas["JobFigures"] | Schemas["JobStretch"] }) {
  const { t, billed } = useWords();
  return (
    <>
      <td class="n" data-label={t("state.run")}>{billed(f.run_ms / 1000)}</td>
      <td class="n" data-label={t("st.energy")}>{joined(energy(f.energy_milliwh / 1000))}{star(f.energy_flags)}</td>
      <td class="n" data-label="CO₂">{f.co2_g === null ? "–" : `${number(f.co2_g / 1000, 2)} kg`}</td>
      <td class="n" data-label={t("jo.coverage")}>{f.coverage === null ? "–" : `${Math.floor(f.coverage * 1000) / 10} %`}</td>
    </>
  );
}
