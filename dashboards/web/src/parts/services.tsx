import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, get, post } from "../api";
import { useLoad, usePlace } from "../context";
import { date, number } from "../format";
import { useWords, type Key } from "../i18n";
import { Busy, Empty, Failed, reason } from "./status";

type Service = Schemas["Service"];
const stateName: Record<Service["state"], Key> = { ok: "sv.ok", soon: "sv.soon", due: "sv.due", overdue: "sv.overdue" };

/** Preventive maintenance: what is due stands open, the rest folded. */
export function Services() {
  const { site, may } = usePlace();
  const { t } = useWords();
  const loaded = useLoad(async (signal) => (await get("/api/v1/sites/{site}/services", { site: site.id }, signal)).services, [site.id]);
  const rows = loaded.data ?? [];
  const due = rows.filter((s) => s.state !== "ok");
  const later = rows.filter((s) => s.state === "ok");
  const item = (s: Service) => <Item key={s.id} service={s} handles={may("manager", "technician")} done={loaded.again} />;
  return (
    <section class="services">
      <h2>{t("sv.title")} ({due.length})</h2>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : due.length === 0 ? <Empty>{t("sv.none")}</Empty> : null}
      <ul class="alarmlist">{due.map(item)}</ul>
      {later.length > 0 ? (
        <details>
          <summary>{t("sv.later", { n: later.length })}</summary>
          <ul class="alarmlist">{later.map(item)}</ul>
        </details>
      ) : null}
    </section>
  );
}

function Item({ service: s, handles, done }: { service: Service; handles: boolean; done: () => void }) {
  const { live, site } = usePlace();
  const { t, name } = useWords();
  const [writing, setWriting] = useState(false);
  const [note, setNote] = useState("");
  const [error, setError] = useState<ApiError | "note">();
  const [busy, setBusy] = useState(false);
  const m = live?.machines.find((v) => v.machine.id === s.machine)?.machine;
  const day = (iso: string) => date(Date.parse(iso), site.zone);
  const hours = (seconds: number) => number(seconds / 3600, 0);
  const days = s.since && live ? Math.max(0, Math.floor((live.now() - Date.parse(s.since)) / 86_400_000)) : 0;
  const save = async () => {
    if (!note.trim()) return setError("note");
    setBusy(true);
    setError(undefined);
    try {
      await post("/api/v1/sites/{site}/services/{id}/done", { site: site.id, id: s.id }, { note: note.trim() });
      setWriting(false);
      done();
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, ""));
    } finally {
      setBusy(false);
    }
  };
  return (
    <li class={`alarm service v-${s.state}`} data-service={s.id}>
      <h3>{name(m?.name, s.machine)}: {name(s.name, s.task)} <span class={`duestate ds-${s.state}`}>{t(stateName[s.state])}</span></h3>
      <progress max={1} value={Math.min(1, s.share)} aria-label={t("sv.used", { percent: number(s.share * 100, 0) })} />
      <p>
        {s.interval_s ? <>{t("sv.hours", { run: hours(s.run_s), interval: hours(s.interval_s) })}</> : null}
        {s.interval_s && s.interval_days ? " · " : ""}
        {s.interval_days ? t("sv.days", { days, interval: s.interval_days }) : ""}
        {s.due_at && s.state !== "overdue" && s.state !== "due" ? ` · ${t("sv.dueat", { date: day(s.due_at) })}` : ""}
      </p>
      {s.interval_s && s.unknown_s >= 3600 ? <p class="small">{t("sv.unknown", { hours: hours(s.unknown_s) })}</p> : null}
      <p class="small">
        {!s.since ? t("sv.nodata") : s.recorded ? t("sv.last", { date: day(s.since), who: s.last_by ?? "", note: s.last_note ?? "" }) : t("sv.never", { date: day(s.since) })}
      </p>
      {s.state === "ok" ? null : <p class="do"><b>{t("al.do")}:</b> {name(s.do, "")}</p>}
      {handles ? writing ? (
        <form class="note" onSubmit={(e) => { e.preventDefault(); void save(); }}>
          <label for={`service-${s.id}`}>{t("sv.note")}</label>
          <textarea id={`service-${s.id}`} rows={2} maxLength={1000} value={note} onInput={(e) => setNote(e.currentTarget.value)} />
          <div class="buttons">
            <button type="submit" class="big" disabled={busy}>{t("al.save")}</button>
            <button type="button" class="big quiet" onClick={() => setWriting(false)}>{t("al.cancel")}</button>
          </div>
        </form>
      ) : <div class="buttons"><button type="button" class={s.state === "ok" ? "" : "big good"} onClick={() => setWriting(true)}>{t("sv.done")}</button></div> : null}
      {error ? <p class="wrong" role="alert">{error === "note" ? t("al.note.need") : t(reason(error))}</p> : null}
    </li>
  );
}
