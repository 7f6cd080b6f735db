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
  boot: "gap.e.boot", stopped: "gap.e.stopped", together: "gap.e.together", lost: "gap.e.lost", backlog: "gap.e.backlog", "not-heard": "gap.e.not-heard",
  none: "gap.e.none", filled: "gap.e.filled",
};

/** The cause of an unknown stretch. */
export function GapCause({ cause, evidence }: { cause: string | undefined; evidence?: string | undefined }) {
  const { t } = useWords();
  if (cause === "unknown" && evidence === "not-heard") return <>{t("gap.c.not-heard")}</>;
  if (cause === "unknown" && evidence === "backlog") return <>{t("gap.c.backlog")}</>;
  return <>{t(causeWord[cause ?? ""] ?? "gap.c.unknown")}</>;
}

/** What tells the cause. */
export function GapEvidence({ gap: g }: { gap: Schemas["Gap"] }) {
  const { site } = usePlace();
  const { t } = useWords();
  if (g.evidence === "fault" && (!g.fault || g.fault === "other")) return <>{t("gap.e.other")}</>;
  if (g.evidence === "not-heard" && !g.since) return <>{t("gap.e.never")}</>;
  const time = g.filled ?? g.since;
  return <>{t(evidenceWord[g.evidence] ?? "gap.e.none", { fault: g.fault ?? "", time: time ? dateClock(Date.parse(time), site.zone) : "–" })}</>;
}
