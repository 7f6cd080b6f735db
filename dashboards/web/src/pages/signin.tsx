import { useEffect, useState } from "preact/hooks";
import type { Me } from "../api";
import { ApiError, post } from "../api";
import { useWords } from "../i18n";
import { reason } from "../parts/status";

/** Sign-in by a pasted token, or by a link #/signin?token=… which is taken out of the address at once. */
export function SignIn({ me, token, done }: { me: Me | undefined; token: string; done: () => void }) {
  const { t } = useWords();
  const [text, setText] = useState("");
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);

  const send = async (secret: string) => {
    setBusy(true);
    setError(undefined);
    try {
      const who = await post("/api/v1/login", {}, { token: secret.trim() });
      location.hash = who.role === "accountant" || who.role === "group" ? "#/statements" : who.role === "technician" ? "#/alarms" : "#/live";
      done();
    } catch (e) {
      setError(e instanceof ApiError ? e : new ApiError(0, ""));
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (!token) return;
    history.replaceState(null, "", `${location.pathname}${location.search}#/signin`);
    void send(token);
  }, []);

  return (
    <section class="sheet narrow">
      <h1>{t("si.title")}</h1>
      {me?.signed_in ? <p>{t("si.done", { name: me.name })}</p> : null}
      <p>{t("si.help")}</p>
      <form onSubmit={(e) => { e.preventDefault(); if (text.trim()) void send(text); }}>
        <label for="token">{t("si.token")}</label>
        <input id="token" type="password" autocomplete="current-password" value={text} aria-invalid={error !== undefined}
          aria-describedby="token-error" onInput={(e) => setText(e.currentTarget.value)} />
        <p id="token-error" class="wrong" role="alert">{error ? t(error.status === 401 ? "si.wrong" : reason(error)) : ""}</p>
        <button type="submit" class="big" disabled={busy}>{t("si.go")}</button>
      </form>
    </section>
  );
}
