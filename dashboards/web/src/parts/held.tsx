import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, post } from "../api";
import { usePlace } from "../context";
import { dateClock } from "../format";
import { useWords } from "../i18n";
import { reason } from "./status";

/** Run time of a line whose time is not known: between which instants it was, and the decision of a person that it counts. */
export function Held({ held: h, machine, zone, done }: { held: Schemas["HeldBack"]; machine: string; zone: string; done: () => void }) {
  const { site, may } = usePlace();
  const { t, billed } = useWords();
  const [open, setOpen] = useState(false);
  const [why, setWhy] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const edge = (at: string | null | undefined) => (at ? dateClock(Date.parse(at), zone) : "?");
  const confirm = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await post("/api/v1/sites/{site}/corrections", { site: site.id }, { kind: "confirm", machine, start: h.from, end: h.to, reason: why });
      done();
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, ""));
    } finally {
      setBusy(false);
    }
  };
  return (
    <small class="flag" data-held={machine}>
      ⏳ {t("st.held", { time: billed(h.run_s) })} <span class="nowrap">{edge(h.not_before)} – {edge(h.not_after)}</span>{" "}
      {may("manager", "accountant") ? (open ? (
        <form class="correct noprint" onSubmit={(e) => { e.preventDefault(); void confirm(); }}>
          <p>{t("st.held.ask", { from: edge(h.from), to: edge(h.to) })}</p>
          <label>{t("se.reason")} <input required maxLength={500} value={why} onInput={(e) => setWhy(e.currentTarget.value)} /></label>
          <button type="submit" class="big" disabled={busy}>{t("st.held.confirm")}</button>{" "}
          <button type="button" onClick={() => setOpen(false)}>{t("se.close")}</button>
          <p class="wrong" role="alert">{error ? <>{t(reason(error))} <span lang="en">{error.detail}</span></> : ""}</p>
        </form>
      ) : <button type="button" class="evidencebutton noprint" onClick={() => setOpen(true)}>{t("st.held.decide")}</button>) : null}
    </small>
  );
}
