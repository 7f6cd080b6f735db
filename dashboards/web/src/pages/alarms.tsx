import { useState } from "preact/hooks";
import type { Alarm } from "../api";
import { ApiError, get, post } from "../api";
import { useLive, useLoad, usePlace } from "../context";
import { dateClock, number } from "../format";
import { useWords, type Key } from "../i18n";
import { Gateways } from "../parts/gateways";
import { Level, quantityName } from "../parts/level";
import { Services } from "../parts/services";
import { Busy, Empty, Failed, reason } from "../parts/status";

const ruleWord: Record<string, Key> = { "sensor-silent": "al.r.sensor-silent", "temperature-high": "al.r.temperature-high", "vibration-high": "al.r.vibration-high", "threshold-drift": "al.r.threshold-drift" };
const causeWord: Record<string, Key> = {
  gateway: "al.c.gateway", link: "al.c.link", sensor: "al.c.sensor",
  bearing: "al.c.bearing", imbalance: "al.c.imbalance", wear: "al.c.wear", shaking: "al.c.shaking",
  "margin-idle": "al.c.margin-idle", "margin-run": "al.c.margin-run", scaled: "al.c.scaled",
  "vanished-off": "al.c.vanished-off", "vanished-idle": "al.c.vanished-idle", "vanished-run": "al.c.vanished-run",
};
const remedy: Record<string, Key> = {
  gateway: "al.d.gateway", link: "al.d.link", sensor: "al.d.sensor",
  bearing: "al.d.bearing", imbalance: "al.d.imbalance", wear: "al.d.wear", shaking: "al.d.imbalance",
};
const shelfHours = [1, 4, 8, 24];
const sections: readonly { state: Alarm["state"]; word: Key; none: Key }[] = [
  { state: "open", word: "al.open", none: "al.none" },
  { state: "acknowledged", word: "al.acknowledged", none: "al.none.resolved" },
  { state: "resolved", word: "al.resolved", none: "al.none.resolved" },
];

/** What a technician has to look at, the newest first, and what to do about it. */
export function Alarms() {
  const { live, site, me, may } = usePlace();
  const { t } = useWords();
  useLive(live);
  // The live picture says that something changed; the list itself comes whole, resolved ones included.
  const changed = [...(live?.alarms.values() ?? [])].map((a) => `${a.id}${a.state}${a.active}${a.count}`).join();
  const list = useLoad(async (signal) => (await get("/api/v1/sites/{site}/alarms", { site: site.id, limit: 100 }, signal)).alarms, [site.id, changed]);
  const handles = may("manager", "technician");
  if (list.error) return <Failed error={list.error} again={list.again} />;
  if (!list.data) return <Busy />;
  return (
    <div class="sheet wide">
      <h1>{t("al.title")}</h1>
      {!handles && !me.signed_in ? <p class="hint">{t("al.signin")} <a href="#/signin">{t("nav.signin")}</a></p> : null}
      {sections.map(({ state, word, none }) => {
        const rows = (list.data ?? []).filter((a) => a.state === state);
        if (state === "acknowledged" && rows.length === 0) return null;
        return (<>
          {state === "resolved" ? <><Services /><Gateways /></> : null}
          <section key={state} class={`alarms-${state}`}>
            <h2>{t(word)} ({rows.length})</h2>
            {rows.length === 0 ? <Empty>{t(none)}</Empty> : null}
            <ul class="alarmlist">
              {rows.map((a) => <Item key={a.id} alarm={a} handles={handles} done={list.again} />)}
            </ul>
          </section>
        </>);
      })}
    </div>
  );
}

function Item({ alarm: a, handles, done }: { alarm: Alarm; handles: boolean; done: () => void }) {
  const { live, site } = usePlace();
  const { t, name } = useWords();
  const [writing, setWriting] = useState<"" | "note" | "shelf">("");
  const [hours, setHours] = useState(4);
  const [note, setNote] = useState("");
  const [error, setError] = useState<ApiError | "note">();
  const [busy, setBusy] = useState(false);
  const m = live?.machines.find((v) => v.machine.id === a.machine)?.machine;

  const act = async (what: () => Promise<unknown>) => {
    setBusy(true);
    setError(undefined);
    try {
      await what();
      setWriting("");
      setNote("");
      done();
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, ""));
    } finally {
      setBusy(false);
    }
  };
  const params = { site: site.id, id: a.id };
  const resolve = () => {
    if (!note.trim()) setError("note");
    else void act(() => post("/api/v1/sites/{site}/alarms/{id}/resolve", params, { note: note.trim() }));
  };
  const shelve = () => {
    if (!note.trim()) setError("note");
    else void act(() => post("/api/v1/sites/{site}/alarms/{id}/shelve", params, { hours, reason: note.trim() }));
  };
  const shelved = a.state !== "resolved" && a.shelved_until !== undefined && Date.parse(a.shelved_until) > (live?.now() ?? Date.now());
  const hot = a.rule === "temperature-high" && a.active;
  const when = (iso: string) => dateClock(Date.parse(iso), site.zone);
  const drift = a.rule === "threshold-drift";
  const advice: Key = drift ? "al.d.drift" : a.rule === "temperature-high" ? "al.d.temperature" : (remedy[a.cause ?? ""] ?? (a.rule === "vibration-high" ? "al.d.vibration" : "al.d.silent"));
  const cause = causeWord[a.cause ?? ""];
  const measured = a.rule === "temperature-high" ? (["q.temperature", "°C", 0] as const) : a.rule === "vibration-high" ? (["q.vibration", "mm/s", 1] as const) : undefined;
  return (
    <li class={`alarm a-${a.state}`} data-alarm={a.id}>
      <h3><a href={`#/machine/${a.machine}`}>{name(m?.name, a.machine)}</a>: {t(ruleWord[a.rule] ?? "al.title")}</h3>
      <p>
        {t("al.since", { time: when(a.opened) })}
        {a.count > 1 ? ` · ${t("al.count", { n: a.count })}` : ""}
        {" · "}
        {a.active ? <b class="hot">{t("al.active")}</b> : t("al.cleared", { time: a.cleared ? when(a.cleared) : "–" })}
      </p>
      {(a.rises ?? []).map((v) => (
        <div key={v.quantity} class="rise">
          <h4>{t(quantityName[v.quantity] ?? "q.vibration")}{v.baseline > 0 ? ` · ${t("al.times", { n: number(v.value / v.baseline, 1) })}` : ""} <small>{t("al.since", { time: when(v.since) })}</small></h4>
          <Level usual={v.baseline || undefined} limit={v.limit} value={v.value} unit={v.unit} then />
        </div>
      ))}
      {measured && !a.rises?.length ? <p class="measured">{t("al.value", { quantity: t(measured[0]), value: `${number(a.value, measured[2])} ${measured[1]}`, limit: `${number(a.limit, measured[2])} ${measured[1]}` })}</p> : null}
      {cause ? <p>{t(cause, { n: number(a.value, 1) })}</p> : null}
      {a.state === "resolved" ? null : <p class="do"><b>{t("al.do")}:</b> {t(advice)}{drift ? <>{" "}<a href={`#/thresholds/${a.machine}`}>{t("al.d.drift.open")}</a></> : null}</p>}
      {shelved && a.shelved_until ? <p class="shelved">{t("al.shelved", { time: when(a.shelved_until), who: a.shelved_by ?? "", reason: a.shelve_reason ?? "" })}</p> : null}
      {a.acknowledged ? <p class="small">{t("al.acknowledged")}: {t("al.by", { who: a.acknowledged_by ?? "", time: when(a.acknowledged) })}</p> : null}
      {a.resolved ? <p class="small">{t("al.resolved")}: {t("al.by", { who: a.resolved_by ?? "", time: when(a.resolved) })}{a.note ? ` — ${a.note}` : ""}</p> : null}
      {handles && a.state !== "resolved" ? (
        writing ? (
          <form class="note" onSubmit={(e) => { e.preventDefault(); if (writing === "shelf") shelve(); else resolve(); }}>
            {writing === "shelf" ? (
              <label>{t("al.shelfhours")}{" "}
                <select value={hours} onChange={(e) => setHours(Number(e.currentTarget.value))}>
                  {shelfHours.map((h) => <option key={h} value={h}>{h} {t("time.hour")}</option>)}
                </select>
              </label>
            ) : null}
            <label for={`note-${a.id}`}>{t(writing === "shelf" ? "al.shelfreason" : "al.note")}</label>
            <textarea id={`note-${a.id}`} rows={3} maxLength={writing === "shelf" ? 500 : 1000} value={note} onInput={(e) => setNote(e.currentTarget.value)} />
            <div class="buttons">
              <button type="submit" class="big" disabled={busy}>{t("al.save")}</button>
              <button type="button" class="big quiet" onClick={() => setWriting("")}>{t("al.cancel")}</button>
            </div>
          </form>
        ) : (
          <div class="buttons">
            {a.state === "open" ? <button type="button" class="big" disabled={busy} onClick={() => void act(() => post("/api/v1/sites/{site}/alarms/{id}/acknowledge", params))}>{t("al.ack")}</button> : null}
            <button type="button" class="big good" disabled={busy} onClick={() => setWriting("note")}>{t("al.resolve")}</button>
            {shelved ? <button type="button" class="big quiet" disabled={busy} onClick={() => void act(() => post("/api/v1/sites/{site}/alarms/{id}/unshelve", params))}>{t("al.unshelve")}</button>
              : hot ? null : <button type="button" class="big quiet" disabled={busy} onClick={() => setWriting("shelf")}>{t("al.shelve")}</button>}
          </div>
        )
      ) : null}
      <p class="wrong" role="alert">{error === "note" ? t(writing === "shelf" ? "al.shelf.need" : "al.note.need") : error ? t(reason(error)) : ""}</p>
    </li>
  );
}
