// What people enter of a job: what it is, its machine time, corrections of that, and cards that stand for it.
import { useState } from "preact/hooks";
import type { ApiError, Schemas } from "../api";
import { ApiError as Problem, get, post } from "../api";
import { useLoad, usePlace } from "../context";
import { clock, dateClock, instant, localMinute } from "../format";
import { useWords, type Key } from "../i18n";
import { Busy, reason } from "./status";

type Sheet = Schemas["JobSheet"];
type Stretch = Schemas["JobStretch"];

/** Why there is no efficiency, in words. */
export const heatWord: Record<string, Key> = {
  "no-weight": "jo.h.noweight", "no-metal": "jo.h.nometal", "no-such-metal": "jo.h.nosuchmetal", "no-heat": "jo.h.noheat", open: "jo.h.open", shared: "jo.h.shared",
  "low-coverage": "jo.h.coverage", "no-energy": "jo.h.noenergy", "over-100": "jo.h.over",
};

export const correctionWord: Record<Schemas["JobCorrection"]["kind"], Key> = { said: "jo.c.said", withdraw: "jo.c.withdraw", cut: "jo.c.cut" };

/** Sends, and keeps what went wrong. */
export function useAct(done: () => void) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setError(undefined);
    try {
      await what();
      done();
    } catch (e) {
      setError(e instanceof Problem ? e : new Problem(0, ""));
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, act };
}

export function Wrong({ error }: { error: ApiError | undefined }) {
  const { t } = useWords();
  return <p class="wrong" role="alert">{error ? <>{t(reason(error))} <span lang="en">{error.detail}</span></> : ""}</p>;
}

interface Said {
  number: string; title: string; buyer: string; group: string; kg: string; pieces: string; metal: string; start: string; end: string;
}

const fresh: Said = { number: "", title: "", buyer: "", group: "", kg: "", pieces: "", metal: "", start: "30", end: "" };

/** What is said of a job: a new one, or (was) a change with its reason. */
export function Details({ was, groups, metals, done }: { was?: Sheet; groups: Schemas["Group"][]; metals: Schemas["Metal"][]; done: (number: string) => void }) {
  const { site } = usePlace();
  const { t, name } = useWords();
  const [f, set] = useState<Said>(was ? {
    number: was.number, title: was.title, buyer: was.buyer, group: was.group, kg: was.weight_g ? String(was.weight_g / 1000) : "", pieces: was.pieces ? String(was.pieces) : "",
    metal: was.heat?.metal ?? "", start: String(was.heat?.metal ? was.heat.start_c : 30), end: was.heat?.metal ? String(was.heat.end_c) : "",
  } : fresh);
  const [why, setWhy] = useState("");
  const { busy, error, act } = useAct(() => done(f.number));
  const put = (k: keyof Said) => (e: { currentTarget: { value: string } }) => set({ ...f, [k]: e.currentTarget.value });
  const metal = (e: { currentTarget: { value: string } }) => {
    const m = metals.find((x) => x.id === e.currentTarget.value);
    set({ ...f, metal: e.currentTarget.value, end: m && f.end === "" ? String(m.pours_c) : f.end });
  };
  const save = () => act(() => post("/api/v1/sites/{site}/jobs", { site: site.id }, {
    number: f.number, title: f.title, buyer: f.buyer, weight_g: Math.round(Number(f.kg) * 1000), pieces: Number(f.pieces),
    ...(f.group ? { group: f.group } : {}), ...(f.metal ? { metal: f.metal, start_c: Number(f.start), end_c: Number(f.end) } : {}), ...(was ? { reason: why } : {}),
  }));
  return (
    <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); void save(); }}>
      {was ? null : <label>{t("jo.number")} <input required maxLength={40} pattern="[A-Za-z0-9][A-Za-z0-9_\-]*" value={f.number} onInput={put("number")} /></label>}
      <label>{t("jo.what")} <input maxLength={200} value={f.title} onInput={put("title")} /></label>
      <label>{t("jo.buyer")} <input maxLength={200} value={f.buyer} onInput={put("buyer")} /></label>
      <label>{t("st.group")} <select value={f.group} onChange={put("group")}><option value="">–</option>{groups.map((g) => <option key={g.id} value={g.id}>{name(g.name, g.id)}</option>)}</select></label>
      <label>{t("jo.kg")} <input type="number" min="0" step="0.001" inputMode="decimal" value={f.kg} onInput={put("kg")} /></label>
      <label>{t("jo.pieces")} <input type="number" min="0" step="1" inputMode="numeric" value={f.pieces} onInput={put("pieces")} /></label>
      {metals.length > 0 ? <label>{t("jo.metal")} <select value={f.metal} onChange={metal}><option value="">–</option>{metals.map((m) => <option key={m.id} value={m.id}>{name(m.name, m.id)}</option>)}</select></label> : null}
      {f.metal ? (
        <>
          <label>{t("jo.startc")} <input type="number" required min="-50" max="3000" value={f.start} onInput={put("start")} /></label>
          <label>{t("jo.endc")} <input type="number" required min="0" max="3000" value={f.end} onInput={put("end")} /></label>
        </>
      ) : null}
      {was ? <label>{t("se.reason")} <input required maxLength={500} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></label> : null}
      <button type="submit" class="big" disabled={busy}>{t("jo.save")}</button>
      <Wrong error={error} />
    </form>
  );
}

function Machines({ value, set }: { value: string; set: (id: string) => void }) {
  const { live } = usePlace();
  const { t, name } = useWords();
  return (
    <label>{t("jo.machine")} <select required value={value} onChange={(e) => set(e.currentTarget.value)}>
      <option value="">–</option>{(live?.machines ?? []).filter((v) => !v.machine.meter).map((v) => <option key={v.machine.id} value={v.machine.id}>{name(v.machine.name, v.machine.id)}</option>)}
    </select></label>
  );
}

/** Machine time: from now on, or a stretch that has passed. */
export function Work({ job, done }: { job: string; done: () => void }) {
  const { site } = usePlace();
  const { t } = useWords();
  const [machine, setMachine] = useState("");
  const [past, setPast] = useState(false);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const { busy, error, act } = useAct(() => { setMachine(""); setPast(false); setFrom(""); setTo(""); done(); });
  const send = () => act(() => post("/api/v1/sites/{site}/jobs/{job}/work", { site: site.id, job }, {
    machine, ...(past && from ? { from: instant(from, site.zone) } : {}), ...(past && to ? { to: instant(to, site.zone) } : {}),
  }));
  return (
    <form class="correct noprint" data-form="work" onSubmit={(e) => { e.preventDefault(); void send(); }}>
      <h2>{t("jo.start")}</h2>
      <Machines value={machine} set={setMachine} />
      <label class="check"><input type="checkbox" checked={past} onChange={(e) => setPast(e.currentTarget.checked)} /> {t("jo.past")}</label>
      {past ? (
        <>
          <label>{t("jo.from")} <input type="datetime-local" required value={from} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
          <label>{t("jo.to")} <input type="datetime-local" value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
        </>
      ) : null}
      <button type="submit" class="big" disabled={busy}>{t(past ? "jo.save" : "jo.go")}</button>
      <Wrong error={error} />
    </form>
  );
}

/** What is wrong of a stretch, what is right instead, and why. */
export function CorrectWork({ job, stretch: x, done }: { job: string; stretch: Stretch; done: () => void }) {
  const { site } = usePlace();
  const { t } = useWords();
  const was = { from: localMinute(Date.parse(x.from), site.zone), to: x.open && x.id > 0 ? "" : localMinute(Date.parse(x.to), site.zone) };
  const [nothing, setNothing] = useState(false);
  const [machine, setMachine] = useState(x.machine);
  const [from, setFrom] = useState(was.from);
  const [to, setTo] = useState(was.to);
  const [why, setWhy] = useState("");
  const { busy, error, act } = useAct(done);
  const right = () => ({ machine, from: from === was.from ? x.from : instant(from, site.zone), ...(to === "" ? {} : { to: to === was.to ? x.to : instant(to, site.zone) }) });
  const send = () => act(() => post("/api/v1/sites/{site}/jobs/{job}/corrections", { site: site.id, job }, {
    ...(x.id > 0 ? { work: x.id } : { machine: x.machine, from: x.from, ...(x.open ? {} : { to: x.to }) }), ...(nothing ? {} : { instead: right() }), reason: why,
  }));
  return (
    <form class="correct noprint" data-form="correct" onSubmit={(e) => { e.preventDefault(); void send(); }}>
      <label class="check"><input type="checkbox" checked={nothing} onChange={(e) => setNothing(e.currentTarget.checked)} /> {t("jo.nothing")}</label>
      {nothing ? null : (
        <>
          <Machines value={machine} set={setMachine} />
          <label>{t("jo.from")} <input type="datetime-local" required value={from} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
          <label>{t(x.id === 0 && !x.open ? "jo.until" : "jo.to")} <input type="datetime-local" required={x.id === 0 && !x.open} value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
        </>
      )}
      <label>{t("se.reason")} <input required maxLength={500} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></label>
      <button type="submit" class="big" disabled={busy}>{t("se.send")}</button>
      <Wrong error={error} />
    </form>
  );
}

/** Cards that stand for the job, and how another one gets to. */
export function Cards({ sheet: s, done }: { sheet: Sheet; done: () => void }) {
  const { live, site } = usePlace();
  const { t, name } = useWords();
  const [looking, setLooking] = useState(false);
  const { busy, error, act } = useAct(() => { setLooking(false); done(); });
  const unknown = useLoad(async (signal) => (looking ? (await get("/api/v1/sites/{site}/cards/unknown", { site: site.id }, signal)).cards : []), [site.id, looking]);
  const place = { site: site.id, job: s.number };
  const machine = (id: string) => name(live?.machines.find((v) => v.machine.id === id)?.machine.name, id);
  return (
    <section class="noprint" data-form="cards">
      <h2>{t("jo.cards")}</h2>
      {s.cards.length === 0 ? <p class="small">{t("jo.nocards")}</p> : (
        <ul class="gaplist">{s.cards.map((c) => (
          <li key={c.hash + c.from} class="gap"><p><span lang="en">{c.hash.slice(0, 8)}</span> · <span class="nowrap">{dateClock(Date.parse(c.from), site.zone)} – {c.to ? dateClock(Date.parse(c.to), site.zone) : t("machine.open")}</span></p>
            {c.to ? null : <div class="buttons"><button type="button" disabled={busy} onClick={() => void act(() => post("/api/v1/sites/{site}/jobs/{job}/cards/{card}/end", { ...place, card: c.hash }))}>{t("jo.freecard")}</button></div>}
          </li>
        ))}</ul>
      )}
      {looking ? (
        <>
          <p>{t("jo.tapnow")}</p>
          {unknown.loading || !unknown.data ? <Busy /> : unknown.data.length === 0 ? <p class="small">{t("jo.nounknown")}</p> : (
            <ul class="gaplist">{unknown.data.map((c) => (
              <li key={c.card} class="gap"><p><b>{machine(c.machine)}</b> · <span class="nowrap">{clock(Date.parse(c.last), site.zone)}</span> · <span lang="en">{c.card.slice(0, 8)}</span></p>
                <div class="buttons">
                  <button type="button" disabled={busy} onClick={() => void act(() => post("/api/v1/sites/{site}/jobs/{job}/cards", place, { card: c.card, from: c.last }))}>{t("jo.givelast")}</button>
                  {c.first === c.last ? null : <button type="button" disabled={busy} onClick={() => void act(() => post("/api/v1/sites/{site}/jobs/{job}/cards", place, { card: c.card, from: c.first }))}>{t("jo.givefirst", { time: clock(Date.parse(c.first), site.zone) })}</button>}
                </div>
              </li>
            ))}</ul>
          )}
          <div class="buttons"><button type="button" onClick={unknown.again}>{t("jo.again")}</button><button type="button" onClick={() => setLooking(false)}>{t("se.close")}</button></div>
        </>
      ) : <button type="button" onClick={() => setLooking(true)}>{t("jo.givecard")}</button>}
      <Wrong error={error} />
    </section>
  );
}
