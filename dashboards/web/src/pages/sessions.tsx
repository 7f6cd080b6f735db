import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, get, post } from "../api";
import type { State } from "../bar";
import { useLoad, useLive, usePlace } from "../context";
import { clock, clockSeconds, dateClock, isoDay, midnight, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { StateBar } from "../parts/state";
import { Busy, Empty, Failed, reason } from "../parts/status";

type Session = Schemas["Session"];
type Kind = Schemas["Correction"]["kind"];

const endWord: Record<string, Key> = { tap: "st.end.tap", takeover: "st.end.takeover", forgotten: "st.end.forgotten", open: "st.end.open", correction: "se.end.correction" };
const kindWord: Record<Kind, Key> = { assign: "se.k.assign", group: "se.k.group", split: "se.k.split", end: "se.k.end", training: "se.k.training", void: "se.k.void", confirm: "se.k.confirm", reverse: "se.k.reverse" };
const statusWord: Record<Schemas["Correction"]["status"], Key> = { applied: "se.s.applied", changed: "se.s.changed", partly: "se.s.partly", conflict: "se.s.conflict", reversed: "se.s.reversed" };
const whyWord: Record<string, Key> = { gone: "se.w.gone", outside: "se.w.outside", taken: "se.w.taken", end: "se.w.end", group: "se.w.group" };

/** Who held which machine on a day, on what that stands, and what people have corrected. */
export function Sessions({ day: asked }: { day: string }) {
  const { live, site, may } = usePlace();
  useLive(live);
  const { t, name } = useWords();
  const today = isoDay(live?.now() ?? Date.now(), site.zone);
  const day = /^\d{4}-\d{2}-\d{2}$/.test(asked) ? asked : today;
  const span = { site: site.id, from: new Date(midnight(day, site.zone)).toISOString(), to: new Date(midnight(shiftDay(day, 1), site.zone)).toISOString() };
  const sees = may("manager", "accountant", "group");
  const loaded = useLoad(async (signal) => {
    const [s, c, g] = await Promise.all([
      get("/api/v1/sites/{site}/sessions", { ...span, evidence: true }, signal),
      sees ? get("/api/v1/sites/{site}/corrections", span, signal) : { corrections: [] },
      get("/api/v1/sites/{site}/groups", { site: site.id }, signal),
    ]);
    return { sessions: s.sessions, corrections: c.corrections, groups: g.groups };
  }, [site.id, day, sees]);
  const [machine, setMachine] = useState("");
  const of = <T extends { machine: string }>(all: readonly T[]) => all.filter((x) => machine === "" || x.machine === machine);
  const held = [...new Set([...(loaded.data?.sessions ?? []), ...(loaded.data?.corrections ?? [])].map((s) => s.machine))].sort();
  const groupName = (id: string) => (id ? name(loaded.data?.groups.find((g) => g.id === id)?.name, id) : t("live.unknowncard"));
  const machineName = (id: string) => name(live?.machines.find((v) => v.machine.id === id)?.machine.name, id);
  return (
    <div class="sheet wide">
      {sees ? <a class="back noprint" href="#/statements">← {t("st.title")}</a> : <a class="back noprint" href="#/jobs">← {t("jo.title")}</a>}
      <h1>{t("se.title")}</h1>
      <div class="tools noprint">
        <a class="button" href={`#/sessions/${shiftDay(day, -1)}`} aria-label={t("se.before")}>‹</a>
        <label>{t("se.day")}{" "}<input type="date" value={day} max={today} onChange={(e) => { if (e.currentTarget.value) location.hash = `#/sessions/${e.currentTarget.value}`; }} /></label>
        {day < today ? <a class="button" href={`#/sessions/${shiftDay(day, 1)}`} aria-label={t("se.after")}>›</a> : null}
        {held.length > 1 || machine ? (
          <label>{t("gap.machine")}{" "}
            <select value={machine} onChange={(e) => setMachine(e.currentTarget.value)}>
              <option value="">{t("gap.all")}</option>
              {[...new Set([...held, ...(machine ? [machine] : [])])].map((m) => <option key={m} value={m}>{machineName(m)}</option>)}
            </select>
          </label>
        ) : null}
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : (
        <>
          {of(loaded.data.sessions).length === 0 ? <Empty>{t("se.none")}</Empty> : (
            <ul class="gaplist">
              {of(loaded.data.sessions).map((s) => (
                <Item key={`${s.machine}${s.start}`} session={s} groups={loaded.data?.groups ?? []} groupName={groupName} machineName={machineName}
                  corrections={(loaded.data?.corrections ?? []).filter((c) => s.corrections.includes(c.id))} again={loaded.again} />
              ))}
            </ul>
          )}
          {of(loaded.data.corrections).length > 0 ? (
            <section>
              <h2>{t("se.corrections")}</h2>
              <ul class="gaplist">{of(loaded.data.corrections).map((c) => <Said key={c.id} correction={c} title={machineName(c.machine)} groupName={groupName} again={loaded.again} />)}</ul>
            </section>
          ) : null}
        </>
      )}
    </div>
  );
}

function Item({ session: s, groups, groupName, machineName, corrections, again }: {
  session: Session; groups: Schemas["Group"][]; groupName: (id: string) => string; machineName: (id: string) => string; corrections: Schemas["Correction"][]; again: () => void;
}) {
  const { live, site, may } = usePlace();
  useLive(live);
  const { t, duration } = useWords();
  const [open, setOpen] = useState(false);
  const from = Date.parse(s.start);
  const to = s.end ? Date.parse(s.end) : (live?.now() ?? Date.now());
  const pieces = (s.evidence?.intervals ?? []).map((p) => ({ state: p.state as State, from: Date.parse(p.start), to: Date.parse(p.end) }));
  const end = endWord[s.end_reason];
  return (
    <li class="gap" data-session={s.machine}>
      <h2>{machineName(s.machine)}: {groupName(s.group)}</h2>
      <p><b>{duration((to - from) / 1000)}</b> · <span class="nowrap">{dateClock(from, site.zone)} – {s.end ? clock(to, site.zone) : t("machine.open")}</span></p>
      {s.training ? <p class="late">{t("se.training")}</p> : null}
      {s.bounded ? <p class="flag" data-bounded={s.machine}>⏳ {t("se.bounded")}</p> : null}
      <p class="small">{end ? t(end) : ""}{corrections.map((c) => <><br />✎ {t(kindWord[c.kind])}: {c.reason} ({c.author})</>)}</p>
      {pieces.length > 0 ? <StateBar pieces={pieces} from={from} to={to} marks={[clock(from, site.zone), clock(to, site.zone)]} /> : null}
      <div class="buttons noprint"><button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>{t(open ? "se.close" : may("manager", "accountant") ? "se.correct" : "st.evidence")}</button></div>
      {open ? (
        <>
          <h3>{t("se.taps")}</h3>
          {(s.evidence?.taps ?? []).length === 0 ? <p class="small">{t("se.notaps")}</p> : (
            <ul>{s.evidence?.taps.map((x) => <li key={x.time}>{clockSeconds(Date.parse(x.time), site.zone)} <small lang="en">{x.card.slice(0, 8)}</small>{x.void ? ` · ${t("se.k.void")}` : ""}</li>)}</ul>
          )}
          {may("manager", "accountant") ? <Correct session={s} groups={groups} done={() => { setOpen(false); again(); }} /> : null}
        </>
      ) : null}
    </li>
  );
}

/** A correction with who, why, and what became of it. */
function Said({ correction: c, title, groupName, again }: { correction: Schemas["Correction"]; title: string; groupName: (id: string) => string; again: () => void }) {
  const { site, may } = usePlace();
  const { t } = useWords();
  const [why, setWhy] = useState<string>();
  const send = useSend(again);
  const bad = c.status === "conflict" || c.status === "partly" || c.status === "changed";
  return (
    <li class="gap" data-correction={c.status}>
      <h2>{c.id}. {title}: {t(kindWord[c.kind])}{c.reverses ? ` ${c.reverses}` : ""}</h2>
      <p>{c.start ? <span class="nowrap">{dateClock(Date.parse(c.start), site.zone)}{c.end ? ` – ${clock(Date.parse(c.end), site.zone)}` : ""}</span> : null}{c.at ? ` → ${clockSeconds(Date.parse(c.at), site.zone)}` : ""}{c.group ? ` · ${groupName(c.group)}` : ""}</p>
      <p>„{c.reason}“ — {c.author}, <span class="nowrap">{dateClock(Date.parse(c.made), site.zone)}</span></p>
      <p class={bad ? "flag" : "small"}>{bad ? "⚠ " : ""}{t(statusWord[c.status])}{c.why && whyWord[c.why] ? ` ${t(whyWord[c.why] ?? "error.other")}` : ""}</p>
      {c.status !== "reversed" && may("manager", "accountant") ? (
        why === undefined ? <div class="buttons noprint"><button type="button" onClick={() => setWhy("")}>{t("se.reverse")}</button></div> : (
          <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); void send.now({ kind: "reverse", reverses: c.id, reason: why }); }}>
            <label>{t("se.reason")} <input required maxLength={500} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></label>
            <button type="submit" class="big" disabled={send.busy}>{t("se.reverse")}</button>
          </form>
        )
      ) : null}
      <Wrong error={send.error} />
    </li>
  );
}

type Asked = Parameters<typeof post<"/api/v1/sites/{site}/corrections">>[2];

function useSend(done: () => void) {
  const { site } = usePlace();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const now = async (body: Asked) => {
    setBusy(true);
    setError(undefined);
    try {
      await post("/api/v1/sites/{site}/corrections", { site: site.id }, body);
      done();
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, ""));
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, now };
}

function Wrong({ error }: { error: ApiError | undefined }) {
  const { t } = useWords();
  return <p class="wrong" role="alert">{error ? <>{t(reason(error))} <span lang="en">{error.detail}</span></> : ""}</p>;
}

function Correct({ session: s, groups, done }: { session: Session; groups: Schemas["Group"][]; done: () => void }) {
  const { site } = usePlace();
  const { t, name } = useWords();
  const [kind, setKind] = useState<Kind>("group");
  const [group, setGroup] = useState("");
  const [when, setWhen] = useState("");
  const [tap, setTap] = useState("");
  const [why, setWhy] = useState("");
  const send = useSend(done);
  const kinds: Kind[] = ["group", "split", "end", ...(s.training ? [] : ["training" as const]), ...((s.evidence?.taps.length ?? 0) > 0 ? ["void" as const] : [])];
  const submit = () => {
    const body: Asked = { kind, machine: s.machine, reason: why };
    if (kind === "void") {
      const x = s.evidence?.taps.find((y) => y.time === tap);
      if (x) Object.assign(body, { at: x.time, card: x.card });
    } else body.start = s.start;
    if (kind === "group" || (kind === "split" && group)) body.group = group;
    if (kind === "split" || kind === "end") {
      const [h = 0, m = 0] = when.split(":").map(Number);
      const begin = midnight(isoDay(Date.parse(s.start), site.zone), site.zone);
      let at = begin + (h * 60 + m) * 60_000;
      if (at <= Date.parse(s.start)) at += 86_400_000;
      body.at = new Date(at).toISOString();
    }
    void send.now(body);
  };
  return (
    <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); submit(); }}>
      <label>{t("se.what")} <select value={kind} onChange={(e) => setKind(e.currentTarget.value as Kind)}>{kinds.map((k) => <option key={k} value={k}>{t(kindWord[k])}</option>)}</select></label>
      {kind === "group" || kind === "split" ? (
        <label>{t("st.group")} <select required={kind === "group"} value={group} onChange={(e) => setGroup(e.currentTarget.value)}>
          <option value="">{kind === "split" ? t("se.same") : "–"}</option>
          {groups.filter((g) => kind === "split" || g.id !== s.group).map((g) => <option key={g.id} value={g.id}>{name(g.name, g.id)}</option>)}
        </select></label>
      ) : null}
      {kind === "split" || kind === "end" ? <label>{t("se.at")} <input type="time" required value={when} onInput={(e) => setWhen(e.currentTarget.value)} /></label> : null}
      {kind === "void" ? <label>{t("se.taps")} <select required value={tap} onChange={(e) => setTap(e.currentTarget.value)}><option value="">–</option>{s.evidence?.taps.filter((x) => !x.void).map((x) => <option key={x.time} value={x.time}>{clockSeconds(Date.parse(x.time), site.zone)}</option>)}</select></label> : null}
      <label>{t("se.reason")} <input required maxLength={500} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></label>
      <button type="submit" class="big" disabled={send.busy}>{t("se.send")}</button>
      <Wrong error={send.error} />
    </form>
  );
}

/** Gives a stretch that no group held to a group. */
export function Assign({ machine, from, to, done }: { machine: string; from: string; to: string; done: () => void }) {
  const { site } = usePlace();
  const { t, name } = useWords();
  const [open, setOpen] = useState(false);
  const [group, setGroup] = useState("");
  const [why, setWhy] = useState("");
  const send = useSend(() => { setOpen(false); done(); });
  const groups = useLoad(async (signal) => (open ? (await get("/api/v1/sites/{site}/groups", { site: site.id }, signal)).groups : []), [site.id, open]);
  if (!open) return <button type="button" class="noprint" onClick={() => setOpen(true)}>{t("se.assign")}</button>;
  return (
    <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); void send.now({ kind: "assign", machine, start: from, end: to, group, reason: why }); }}>
      <label>{t("st.group")} <select required value={group} onChange={(e) => setGroup(e.currentTarget.value)}>
        <option value="">–</option>{(groups.data ?? []).map((g) => <option key={g.id} value={g.id}>{name(g.name, g.id)}</option>)}
      </select></label>
      <label>{t("se.reason")} <input required maxLength={500} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></label>
      <button type="submit" class="big" disabled={send.busy}>{t("se.assign")}</button>{" "}
      <button type="button" onClick={() => setOpen(false)}>{t("se.close")}</button>
      <Wrong error={send.error} />
    </form>
  );
}
