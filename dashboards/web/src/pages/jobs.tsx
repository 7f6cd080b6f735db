import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, get, post } from "../api";
import { useLoad, useLive, usePlace } from "../context";
import { clock, dateClock, energy, joined, number } from "../format";
import { useWords } from "../i18n";
import { Busy, Empty, Failed, reason } from "../parts/status";

/** Jobs of the site, and a form to enter one. */
export function Jobs() {
  const { site, may } = usePlace();
  const { t, name } = useWords();
  const [no, setNo] = useState("");
  const [title, setTitle] = useState("");
  const [buyer, setBuyer] = useState("");
  const [group, setGroup] = useState("");
  const [kg, setKg] = useState("");
  const [pieces, setPieces] = useState("");
  const [bad, setBad] = useState<ApiError>();
  const loaded = useLoad(async (signal) => {
    const [j, g] = await Promise.all([get("/api/v1/sites/{site}/jobs", { site: site.id }, signal), get("/api/v1/sites/{site}/groups", { site: site.id }, signal)]);
    return { jobs: j.jobs, groups: g.groups };
  }, [site.id]);
  const save = async () => {
    try {
      await post("/api/v1/sites/{site}/jobs", { site: site.id }, { number: no, title, buyer, group: group || undefined, weight_g: Math.round(Number(kg) * 1000), pieces: Number(pieces) });
      location.hash = `#/job/${no}`;
    } catch (e) {
      setBad(e instanceof ApiError ? e : new ApiError(0, ""));
    }
  };
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  if (!loaded.data) return <Busy />;
  return (
    <div class="sheet wide">
      <a class="back noprint" href="#/statements">← {t("st.title")}</a>
      <h1>{t("jo.title")}</h1>
      <p class="small">{t("jo.intro")}</p>
      {loaded.data.jobs.length === 0 ? <Empty>{t("jo.none")}</Empty> : (
        <ul class="gaplist">{loaded.data.jobs.map((j) => <li key={j.number} class="gap"><h2><a href={`#/job/${j.number}`}>{j.number}</a> {j.title}</h2><p class="small">{[j.buyer, j.group ? name(loaded.data?.groups.find((g) => g.id === j.group)?.name, j.group) : ""].filter(Boolean).join(" · ")}</p></li>)}</ul>
      )}
      {may("manager", "accountant", "technician") ? (
        <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); void save(); }}>
          <h2>{t("jo.new")}</h2>
          <label>{t("jo.number")} <input required maxLength={40} pattern="[A-Za-z0-9][A-Za-z0-9_\-]*" value={no} onInput={(e) => setNo(e.currentTarget.value)} /></label>
          <label>{t("jo.what")} <input maxLength={200} value={title} onInput={(e) => setTitle(e.currentTarget.value)} /></label>
          <label>{t("jo.buyer")} <input maxLength={200} value={buyer} onInput={(e) => setBuyer(e.currentTarget.value)} /></label>
          <label>{t("st.group")} <select value={group} onChange={(e) => setGroup(e.currentTarget.value)}><option value="">–</option>{loaded.data.groups.map((g) => <option key={g.id} value={g.id}>{name(g.name, g.id)}</option>)}</select></label>
          <label>{t("jo.kg")} <input type="number" min="0" step="0.001" value={kg} onInput={(e) => setKg(e.currentTarget.value)} /></label>
          <label>{t("jo.pieces")} <input type="number" min="0" step="1" value={pieces} onInput={(e) => setPieces(e.currentTarget.value)} /></label>
          <button type="submit" class="big">{t("jo.save")}</button>
          <p class="wrong" role="alert">{bad ? <>{t(reason(bad))} <span lang="en">{bad.detail}</span></> : ""}</p>
        </form>
      ) : null}
    </div>
  );
}

/** What a job took, as a sheet for the buyer. */
export function JobPage({ id }: { id: string }) {
  const { site, live, may } = usePlace();
  useLive(live);
  const { t, name, lang, duration } = useWords();
  const [machine, setMachine] = useState("");
  const [bad, setBad] = useState<ApiError>();
  const loaded = useLoad((signal) => get("/api/v1/sites/{site}/jobs/{job}", { site: site.id, job: id }, signal), [site.id, id]);
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  if (!loaded.data) return <Busy />;
  const s = loaded.data;
  const act = async (what: () => Promise<unknown>) => {
    setBad(undefined);
    try {
      await what();
      loaded.again();
    } catch (e) {
      setBad(e instanceof ApiError ? e : new ApiError(0, ""));
    }
  };
  const work = (n: number, what: "end" | "withdraw") => () => act(() => what === "end"
    ? post("/api/v1/sites/{site}/jobs/{job}/work/{id}/end", { site: site.id, job: id, id: n }, {})
    : post("/api/v1/sites/{site}/jobs/{job}/work/{id}/withdraw", { site: site.id, job: id, id: n }, {}));
  return (
    <article class="sheet wide paper">
      <a class="back noprint" href="#/jobs">← {t("jo.title")}</a>
      <header class="paperhead">
        <div>
          <p class="papersite">{name(s.site_name, s.site)}</p>
          <h1>{t("jo.job")} {s.number}</h1>
          <p>{[s.title, s.buyer].filter(Boolean).join(" · ")}</p>
          <p>{[s.weight_g > 0 ? `${s.weight_g / 1000} kg` : "", s.pieces > 0 ? t("jo.npieces", { n: number(s.pieces) }) : "", t("st.madeat", { time: dateClock(Date.parse(s.made), s.zone) })].filter(Boolean).join(" · ")}</p>
        </div>
      </header>
      <div class="tools noprint">
        <a class="button" href={`/api/v1/sites/${encodeURIComponent(site.id)}/jobs/${encodeURIComponent(id)}.csv?lang=${lang}`} download>{t("st.csv")}</a>
        <button type="button" onClick={() => print()}>{t("st.print")}</button>
      </div>
      {(s.stretches ?? []).length === 0 ? <Empty>{t("jo.nowork")}</Empty> : (
        <table class="stack">
          <thead><tr><th>{t("jo.machine")}</th><th class="n">{t("state.run")}</th><th class="n">{t("st.energy")}</th><th class="n">CO₂</th><th class="n">{t("jo.coverage")}</th></tr></thead>
          <tbody>
            {(s.stretches ?? []).map((x) => (
              <tr key={x.machine + x.from}>
                <th scope="row">
                  {name(x.machine_name, x.machine)}
                  <small>{dateClock(Date.parse(x.from), s.zone)} – {x.open ? t("machine.open") : clock(Date.parse(x.to), s.zone)} · {x.source === "tap" ? t("jo.tap") : x.by}</small>
                  {x.shared ? <small class="flag">⚠ {t("jo.shared")}</small> : null}
                  <details class="noprint"><summary>{t("st.evidence")}</summary><ul>{(x.intervals ?? []).map((p) => <li key={p.from}>{t(p.state === "run" ? "state.run" : p.state === "idle" ? "state.idle" : p.state === "off" ? "state.off" : "state.unknown")} {clock(Date.parse(p.from), s.zone)}–{clock(Date.parse(p.to), s.zone)} · {joined(energy(p.energy_milliwh / 1000))}{p.energy_estimated ? "*" : ""}</li>)}</ul></details>
                  {x.open && x.id > 0 && may("manager", "accountant", "technician") ? <button type="button" class="noprint" onClick={() => void work(x.id, "end")()}>{t("jo.end")}</button> : null}
                  {x.id > 0 && may("manager", "accountant") ? <button type="button" class="plain noprint" onClick={() => void work(x.id, "withdraw")()}>{t("jo.withdraw")}</button> : null}
                </th>
                <Figures f={x} />
              </tr>
            ))}
          </tbody>
          <tfoot><tr><th scope="row">{t("st.total")}</th><Figures f={s.total} /></tr></tfoot>
        </table>
      )}
      {s.wh_per_kg ? <p><b>{joined(energy(s.wh_per_kg))}</b> / kg</p> : null}
      {s.wh_per_piece ? <p><b>{joined(energy(s.wh_per_piece))}</b> / {t("jo.piece")}</p> : null}
      {s.total.energy_estimated ? <p class="small">* {t("jo.estimated")}</p> : null}
      {(s.factors ?? []).map((f) => <p key={f.version} class="small">{t("jo.factor", { kg: f.micro_kg_per_kwh / 1e6, version: f.version })}</p>)}
      {s.total.unknown_ms > 0 ? <p class="small">{t("jo.unknown", { time: duration(s.total.unknown_ms / 1000) })}</p> : null}
      {may("manager", "accountant", "technician") && live ? (
        <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); void act(() => post("/api/v1/sites/{site}/jobs/{job}/work", { site: site.id, job: id }, { machine })); }}>
          <label>{t("jo.start")} <select required value={machine} onChange={(e) => setMachine(e.currentTarget.value)}><option value="">–</option>{live.machines.filter((v) => !v.machine.meter).map((v) => <option key={v.machine.id} value={v.machine.id}>{name(v.machine.name, v.machine.id)}</option>)}</select></label>
          <button type="submit" class="big">{t("jo.go")}</button>
        </form>
      ) : null}
      <p class="wrong" role="alert">{bad ? <>{t(reason(bad))} <span lang="en">{bad.detail}</span></> : ""}</p>
    </article>
  );
}

function Figures({ f }: { f: Schemas["JobFigures"] | Schemas["JobStretch"] }) {
  const { t, billed } = useWords();
  return (
    <>
      <td class="n" data-label={t("state.run")}>{billed(f.run_ms / 1000)}</td>
      <td class="n" data-label={t("st.energy")}>{joined(energy(f.energy_milliwh / 1000))}{f.energy_estimated ? "*" : ""}</td>
      <td class="n" data-label="CO₂">{f.co2_g === null ? "–" : `${(f.co2_g / 1000).toFixed(2)} kg`}</td>
      <td class="n" data-label={t("jo.coverage")}>{f.coverage === null ? "–" : `${Math.floor(f.coverage * 1000) / 10} %`}</td>
    </>
  );
}
