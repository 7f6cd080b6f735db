// Why nothing is known of a stretch of time, in words.
import type { Schemas } from "../api";
import { usePlace } from "../context";
import { dateClock } from "../format";
import { useWords, type Key } from "../i18n";

const causeWord: Record<string, Key> = {
  supply: "gap.c.supply", gateway: "gap.c.gateway", sensor: "gap.c.sensor", link: "gap.c.link", unknown: "gap.c.unknown", "no-data": "gap.c.no-data",
};
const evidenceWord: Record<string, Key> = {
  "supply-sensor": "gap.e.supply-sensor", site: "gap.e.site", fault: "gap.e.fault", neighbours: "gap.e.neighbours", "gateway-online": "gap.e.gateway-online",
  boot: "gap.e.boot", stopped: "gap.e.stopped", together: "gap.e.together", lost: "gap.e.lost", backlog: "gap.e.backlog", arrived: "gap.e.arrived",
  "not-heard": "gap.e.not-heard", none: "gap.e.none", filled: "gap.e.filled", late: "gap.e.late",
};

/** Faults that a sensor reports (docs/sensors.md). */
const faultWord: Record<string, Key> = {
  bus: "gap.f.bus", "no-chip": "gap.f.no-chip", open: "gap.f.open", "short-gnd": "gap.f.short-gnd", "short-vcc": "gap.f.short-vcc",
  voltage: "gap.f.voltage", range: "gap.f.range", "cold-junction": "gap.f.cold-junction", implausible: "gap.f.implausible",
  "no-answer": "gap.f.no-answer", refused: "gap.f.refused", silent: "gap.f.silent", reset: "gap.f.reset", "not-ready": "gap.f.not-ready",
  bias: "gap.f.bias", slow: "gap.f.slow", stall: "gap.f.stall", rate: "gap.f.rate", config: "gap.f.config", flat: "gap.f.flat", window: "gap.f.window",
  unsettled: "gap.f.unsettled", stuck: "gap.f.stuck", timeout: "gap.f.timeout", disturbed: "gap.f.disturbed", stale: "gap.f.stale",
};

/** The cause of an unknown stretch. */
export function GapCause({ cause, evidence }: { cause: string | undefined; evidence?: string | undefined }) {
  const { t } = useWords();
  if (cause === "unknown" && evidence === "not-heard") return <>{t("gap.c.not-heard")}</>;
  if (cause === "unknown" && evidence === "backlog") return <>{t("gap.c.backlog")}</>;
  if (cause === "unknown" && evidence === "arrived") return <>{t("gap.c.arrived")}</>;
  if (cause === "link" && evidence === "late") return <>{t("gap.c.late")}</>;
  return <>{t(causeWord[cause ?? ""] ?? "gap.c.unknown")}</>;
}

/** What tells the cause. */
export function GapEvidence({ gap: g }: { gap: Schemas["Gap"] }) {
  const { site } = usePlace();
  const { t } = useWords();
  if (g.evidence === "fault" && (!g.fault || g.fault === "other")) return <>{t("gap.e.other")}</>;
  if (g.evidence === "not-heard" && !g.since) return <>{t("gap.e.never")}</>;
  const fault = faultWord[(g.fault ?? "").replace("fault:", "")];
  const time = g.filled ?? g.since;
  return <>{t(evidenceWord[g.evidence] ?? "gap.e.none", { fault: fault ? t(fault) : g.fault ?? "", time: time ? dateClock(Date.parse(time), site.zone) : "–" })}</>;
}
