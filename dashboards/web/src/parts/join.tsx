// A one-time code by which a gateway joins, for who manages the site.
import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, post } from "../api";
import { usePlace } from "../context";
import { dateClock } from "../format";
import { useWords } from "../i18n";
import { Failed } from "./status";

const local = ["localhost", "127.0.0.1", "[::1]"];

export function Join({ gateways }: { gateways: string[] }) {
  const { site, may } = usePlace();
  const { t } = useWords();
  const [id, setID] = useState("");
  const [code, setCode] = useState<Schemas["GatewayCode"]>();
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  if (!may("manager")) return null;

  const make = (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setCode(undefined);
    setError(undefined);
    post("/api/v1/sites/{site}/gateways/{gateway}/code", { site: site.id, gateway: id.trim() }, {})
      .then(setCode, (err: unknown) => setError(err instanceof ApiError ? err : new ApiError(0, "")))
      .finally(() => setBusy(false));
  };
  const until = code ? Date.parse(code.expires) : 0;
  return (
    <details class="join noprint">
      <summary>{t("join.title")}</summary>
      <form onSubmit={make}>
        <p>{t("join.help")}</p>
        <label for="join-id">{t("join.id")}</label>
        <input id="join-id" list="join-known" value={id} onInput={(e) => setID(e.currentTarget.value)} required maxLength={40} pattern="[a-z0-9\-]+" placeholder="gw-1" autocomplete="off" autocapitalize="none" spellcheck={false} />
        <datalist id="join-known">{gateways.map((g) => <option key={g} value={g} />)}</datalist>
        <button type="submit" class="big" disabled={busy}>{t("join.go")}</button>
      </form>
      {error ? <Failed error={error} /> : null}
      {code ? (
        <div class="joincode" role="status">
          <p>{t("join.code", { gateway: code.gateway })}</p>
          <p class="code">{code.code}</p>
          <p>{t("join.until", { time: dateClock(until, site.zone) })}</p>
          <p>{t("join.how")}</p>
          <p><code>sudo karkhana-gateway enrol --server {location.origin}</code></p>
          {local.includes(location.hostname) ? <p class="flag">{t("join.local")}</p> : null}
        </div>
      ) : null}
    </details>
  );
}
