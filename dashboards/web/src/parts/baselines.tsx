import { get } from "../api";
import { useLoad, usePlace } from "../context";
import { date, dateClock } from "../format";
import { useWords } from "../i18n";
import { Level, quantityName } from "./level";
import { Failed } from "./status";

/** What is usual for the machine's vibration, what is now, where the alarm lies. Nothing for machines without such a sensor. */
export function Baselines({ machine }: { machine: string }) {
  const { site } = usePlace();
  const { t } = useWords();
  const loaded = useLoad(async (signal) => (await get("/api/v1/sites/{site}/machines/{machine}/baselines", { site: site.id, machine }, signal)).baselines, [site.id, machine]);
  if (loaded.error) return <Failed error={loaded.error} again={loaded.again} />;
  const rows = loaded.data ?? [];
  const first = rows[0];
  if (!first) return null;
  return (
    <section class="baselines">
      <h2>{t("bl.title")}</h2>
      <p class="small">{t("bl.note", { from: date(Date.parse(first.from), site.zone) })}</p>
      <div class="levels">
        {rows.map((b) => (
          <div key={b.quantity}>
            <h3>{t(quantityName[b.quantity] ?? "q.vibration")}</h3>
            {b.known ? (
              <>
                <Level usual={b.usual} limit={b.limit} value={b.present} unit={b.unit} />
                <p class="small">
                  {b.present_at ? t("bl.at", { time: dateClock(Date.parse(b.present_at), site.zone) }) : t("bl.norun")}
                  {b.limit === undefined ? ` ${t("bl.norule")}` : ""}
                </p>
              </>
            ) : <p class="small">{t("bl.learning", { have: b.run_minutes, need: b.need_minutes })}</p>}
          </div>
        ))}
      </div>
    </section>
  );
}
