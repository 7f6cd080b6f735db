import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, get, post } from "../api";
import { useLoad, usePlace } from "../context";
import { dateClock, instant } from "../format";
import { useWords } from "../i18n";
import { Busy, Empty, Failed, reason } from "./status";

/** When the machine was broken, as technicians write it down: what MTBF and MTTR are made of. */
export function Breakdowns({ machine, from, to, changed }: { machine: string; from: string; to: string; changed: () => void }) {
  const { site, may } = usePlace();
  const { t } = useWords();
  const loaded = useLoad(async (signal) => (await get("/api/v1/sites/{site}/breakdowns", { site: site.id, machine, from, to }, signal)).breakdowns, [site.id, machine, from]);
  const again = () => {
    loaded.again();
    changed();
  };
  return (
    <>
      <h2>{t("bd.title")}</h2>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : loaded.data.length === 0 ? <Empty>{t("bd.none")}</Empty> : (
        <ul class="stoplist">{loaded.data.map((b) => <Item key={b.id} breakdown={b} done={again} />)}</ul>
      )}
      {may("manager", "technician") ? <Add machine={machine} done={again} /> : null}
    </>
  );
}

function Item({ breakdown: b, done }: { breakdown: Schemas["Breakdown"]; done: () => void }) {
  const { site, may } = usePlace();
  const { t } = useWords();
  const [error, setError] = useState<ApiError>();
  const act = (call: Promise<unknown>) => {
    setError(undefined);
    call.then(done, (e: unknown) => setError(e instanceof ApiError ? e : new ApiError(0, "")));
  };
  const id = { site: site.id, id: b.id };
  const when = (iso: string) => dateClock(Date.parse(iso), site.zone);
  return (
    <li class="stop st-broken" data-breakdown={b.id}>
      <p><b>{b.note}</b> <small>{t("bd.by", { name: b.author })}</small></p>
      <p>{when(b.from)} – {b.to ? when(b.to) : <b class="hot">{t("bd.open")}</b>}</p>
      <p class="buttons noprint">
        {!b.to && may("manager", "technician") ? <button type="button" onClick={() => act(post("/api/v1/sites/{site}/breakdowns/{id}/end", id, {}))}>{t("bd.end")}</button> : null}
        {may("manager") ? <button type="button" onClick={() => act(post("/api/v1/sites/{site}/breakdowns/{id}/remove", id))}>{t("bd.remove")}</button> : null}
      </p>
      {error ? <Failed error={error} /> : null}
    </li>
  );
}

function Add({ machine, done }: { machine: string; done: () => void }) {
  const { site } = usePlace();
  const { t } = useWords();
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [note, setNote] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const save = (e: Event) => {
    e.preventDefault();
    if (!from || !note.trim()) return setWrong(t("bd.wrong"));
    setWrong("");
    setBusy(true);
    post("/api/v1/sites/{site}/breakdowns", { site: site.id }, { machine, from: instant(from, site.zone), ...(to ? { to: instant(to, site.zone) } : {}), note: note.trim() })
      .then(() => {
        setNote("");
        setFrom("");
        setTo("");
        done();
      }, (err: unknown) => setWrong(err instanceof ApiError && err.status === 409 ? t("bd.overlap") : t(reason(err instanceof ApiError ? err : new ApiError(0, "")))))
      .finally(() => setBusy(false));
    return undefined;
  };
  return (
    <details class="addstop noprint">
      <summary>{t("bd.add")}</summary>
      <form onSubmit={save}>
        <label>{t("bd.from")} <input type="datetime-local" required value={from} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
        <label>{t("bd.to")} <input type="datetime-local" value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
        <label class="long">{t("bd.note")} <input required maxLength={1000} value={note} onInput={(e) => setNote(e.currentTarget.value)} /></label>
        <button type="submit" class="big" disabled={busy}>{t("bd.save")}</button>
      </form>
      <p class="wrong" role="alert">{wrong}</p>
    </details>
  );
}
