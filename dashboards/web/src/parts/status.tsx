// Loading, failing and being empty look the same everywhere.
import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../api";
import type { Key } from "../i18n";
import { useWords } from "../i18n";

const reasons: Record<number, Key> = { 0: "error.offline", 401: "error.401", 403: "error.403", 404: "error.404", 429: "error.429", 503: "error.503" };

export function reason(e: ApiError): Key {
  return reasons[e.status] ?? "error.other";
}

/** Says that it loads, and after a while that it takes longer than it should. */
export function Busy() {
  const { t } = useWords();
  const [slow, late] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => late(true), 8000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p class="busy" role="status">
      {t(slow ? "loading.slow" : "loading")}
    </p>
  );
}

export function Failed({ error, again }: { error: ApiError; again?: () => void }) {
  const { t } = useWords();
  return (
    <div class="failed" role="alert">
      <h2>{t("error.title")}</h2>
      <p>{t(reason(error))}</p>
      {error.detail ? <p class="small" lang="en">{error.detail}</p> : null}
      {error.status === 401 ? (
        <a class="button" href="#/signin">
          {t("nav.signin")}
        </a>
      ) : again ? (
        <button type="button" onClick={again}>
          {t("error.retry")}
        </button>
      ) : null}
    </div>
  );
}

export function Empty({ children }: { children: string }) {
  return <p class="empty">{children}</p>;
}
