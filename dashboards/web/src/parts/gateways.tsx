// What the gateways say of themselves, in words a technician can act on.
import type { Gateway } from "../api";
import { useLive, usePlace } from "../context";
import { dateClock, number } from "../format";
import { useWords, type Key } from "../i18n";

type Problem = Gateway["problems"][number];
export const problemWord: Record<Problem, Key> = {
  "offline": "gw.offline", "mains-out": "gw.mains-out", "undervoltage": "gw.undervoltage", "undervoltage-before": "gw.undervoltage-before",
  "too-hot": "gw.too-hot", "throttled": "gw.throttled", "throttled-before": "gw.throttled-before", "disk-read-only": "gw.disk-read-only",
  "samples-lost": "gw.samples-lost", "disk-low": "gw.disk-low", "clock-bounded": "gw.clock-bounded", "clock-rtc": "gw.clock-rtc", "queue-old": "gw.queue-old", "config-error": "gw.config-error",
};
const remedy: Record<Problem, Key> = {
  "offline": "gw.d.offline", "mains-out": "gw.d.mains-out", "undervoltage": "gw.d.undervoltage", "undervoltage-before": "gw.d.undervoltage",
  "too-hot": "gw.d.too-hot", "throttled": "gw.d.too-hot", "throttled-before": "gw.d.too-hot", "disk-read-only": "gw.d.disk-read-only",
  "samples-lost": "gw.d.samples-lost", "disk-low": "gw.d.disk-low", "clock-bounded": "gw.d.clock", "clock-rtc": "gw.d.clock", "queue-old": "gw.d.queue-old", "config-error": "gw.d.config-error",
};
const clockWord: Record<string, Key> = { synced: "gw.clock.synced", rtc: "gw.clock.rtc", repaired: "gw.clock.repaired", bounded: "gw.clock.bounded" };

const bytes = (n: number) => (n >= 1e9 ? `${number(n / 1e9, n >= 1e10 ? 0 : 1)}\u00a0GB` : `${number(n / 1e6, 0)}\u00a0MB`);

export function Gateways() {
  const { live } = usePlace();
  const { t } = useWords();
  useLive(live);
  const rows = [...(live?.gateways.values() ?? [])];
  if (rows.length === 0) return null;
  return (
    <section class="gatewaycards">
      <h2>{t("gw.title")} ({rows.filter((g) => g.problems.length > 0).length})</h2>
      <ul class="alarmlist">{rows.map((g) => <Item key={g.id} gateway={g} />)}</ul>
    </section>
  );
}

function Item({ gateway: g }: { gateway: Gateway }) {
  const { site } = usePlace();
  const { t, duration } = useWords();
  const facts: [Key, string][] = [];
  if (g.seen) facts.push(["gw.seen", dateClock(Date.parse(g.seen), site.zone)]);
  if (g.version) facts.push(["gw.version", g.version]);
  const clock = clockWord[g.clock ?? ""];
  if (clock) facts.push(["gw.clock", t(clock)]);
  if (g.online) facts.push(["gw.queue", g.spool_packs === 0 ? t("gw.queue.none") : t("gw.queue.some", { n: number(g.spool_packs), age: duration(g.oldest_age_s) })]);
  if (g.supply !== undefined) facts.push(["gw.supply", t(g.supply ? "gw.supply.on" : "gw.supply.off")]);
  if (g.disk_free_bytes !== undefined) facts.push(["gw.disk", bytes(g.disk_free_bytes)]);
  if (g.disk_written_bytes !== undefined) facts.push(["gw.written", bytes(g.disk_written_bytes)]);
  return (
    <li class={`alarm gateway ${g.problems.length === 0 ? "a-resolved" : g.online ? "a-acknowledged" : ""}`} data-gateway={g.id}>
      <h3>{t("live.gateways")} {g.id} · {t(g.online ? "live.gateway.on" : "live.gateway.off")}</h3>
      {g.problems.length === 0 && g.online ? <p>{t("gw.well")}</p> : null}
      {g.problems.map((p) => (
        <p key={p} class="do" data-problem={p}>
          <b>{t(problemWord[p])}.</b> {t(remedy[p])}
          {p === "config-error" && g.config_error ? <code lang="en">{g.config_error}</code> : null}
        </p>
      ))}
      {facts.length > 0 ? <dl class="facts">{facts.map(([k, v]) => <div key={k}><dt>{t(k)}</dt><dd>{v}</dd></div>)}</dl> : null}
    </li>
  );
}
