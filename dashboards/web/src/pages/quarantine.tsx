import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, get, post } from "../api";
import { useLoad, useLive, usePlace } from "../context";
import { dateClock, number } from "../format";
import { useWords, type Key } from "../i18n";
import { Busy, Empty, Failed, reason } from "../parts/status";

const reasonWord: Record<string, readonly [Key, Key]> = {
  "unknown-machine": ["qu.r.machine", "qu.d.machine"], "absurd-time": ["qu.r.time", "qu.d.time"],
  "unknown-quantity": ["qu.r.unit", "qu.d.unit"], "unknown-unit": ["qu.r.unit", "qu.d.unit"], "wrong-type": ["qu.r.unit", "qu.d.unit"],
  "out-of-range": ["qu.r.range", "qu.d.range"], "bad-topic": ["qu.r.topic", "qu.d.topic"], "foreign-topic": ["qu.r.topic", "qu.d.topic"],
  "store-refused": ["qu.r.store", "qu.d.store"],
};

/** What could not be stored, by machine and reason, and what to do about it. */
export function Quarantine() {
  const { live, site, may } = usePlace();
  useLive(live);
  const { t, name } = useWords();
  const list = useLoad((signal) => get("/api/v1/sites/{site}/quarantine/counts", { site: site.id }, signal), [site.id]);
  if (!may("manager", "technician")) return <Failed error={new ApiError(403, "")} />;
  if (list.error) return <Failed error={list.error} again={list.again} />;
  if (!list.data) return <Busy />;
  const { counts, summarised } = list.data;
  return (
    <div class="sheet wide">
      <a class="back noprint" href="#/gaps">← {t("gap.title")}</a>
      <h1>{t("qu.title")}</h1>
      {counts.length === 0 ? <Empty>{t("qu.none")}</Empty> : <p class="small">{t("qu.intro")}</p>}
      <ul class="gaplist">
        {counts.map((c) => (
          <Item key={`${c.machine}/${c.reason}`} count={c} title={name(live?.machines.find((v) => v.machine.id === c.machine)?.machine.name, c.machine || t("qu.nomachine"))} done={list.again} />
        ))}
      </ul>
      {summarised.length === 0 ? null : (
        <section>
          <h2>{t("qu.summarised")}</h2>
          <div class="scroll" tabIndex={0} role="region" aria-label={t("qu.summarised")}>
            <table>
              <thead><tr><th>{t("qu.day")}</th><th>{t("gap.cause")}</th><th class="n">{t("qu.count")}</th><th>{t("qu.topic")}</th></tr></thead>
              <tbody>
                {summarised.map((s) => (
                  <tr key={`${s.day}${s.topic}${s.reason}`}><td>{s.day}</td><td>{t(reasonWord[s.reason]?.[0] ?? "qu.r.other")}</td><td class="n">{number(s.packs)}</td><td class="small">{s.topic || "–"}</td></tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </div>
  );
}

function Item({ count: c, title, done }: { count: Schemas["QuarantineCount"]; title: string; done: () => void }) {
  const { site } = usePlace();
  const { t } = useWords();
  const [said, say] = useState<{ good: string } | { bad: ApiError }>();
  const [busy, setBusy] = useState(false);
  const [word, remedy] = reasonWord[c.reason] ?? (["qu.r.other", "qu.d.other"] as const);
  const again = async () => {
    setBusy(true);
    try {
      const got = await post("/api/v1/sites/{site}/quarantine/replay", { site: site.id }, { machine: c.machine || undefined, reason: c.reason });
      say({ good: t("qu.asked", { n: got.packs }) });
      setTimeout(done, 7000); // by then ingest has taken them
    } catch (e) {
      say({ bad: e instanceof ApiError ? e : new ApiError(0, "") });
    } finally {
      setBusy(false);
    }
  };
  const when = (iso: string) => dateClock(Date.parse(iso), site.zone);
  return (
    <li class="gap" data-reason={c.reason}>
      <h2>{title}: {t(word)}</h2>
      <p><b>{t("qu.packs", { n: number(c.packs) })}</b> · <span class="nowrap">{when(c.first)}</span> – <span class="nowrap">{when(c.last)}</span></p>
      <p class="do"><b>{t("al.do")}:</b> {t(remedy)}</p>
      <p class="small told" lang="en">{c.reason}: {c.detail}</p>
      {c.cut > 0 ? <p class="small">{t("qu.cut", { n: number(c.cut) })}</p> : null}
      {c.cut < c.packs && c.reason !== "unknown-machine" ? (
        <div class="buttons"><button type="button" class="big" disabled={busy || c.waiting > 0} onClick={() => void again()}>{c.waiting > 0 ? t("qu.waiting") : t("qu.replay")}</button></div>
      ) : null}
      <p class="said" role="status">{said && "good" in said ? said.good : ""}</p>
      <p class="wrong" role="alert">{said && "bad" in said ? t(reason(said.bad)) : ""}</p>
    </li>
  );
}
