import type { Schemas } from "../api";
import { joined, number, percent, type Measure } from "../format";
import { useWords, type Key } from "../i18n";

export type KPI = Schemas["KPI"];
export type Reasons = Record<string, Schemas["Name"]>;

interface Shown {
  field: "availability" | "allocation_efficiency" | "utilization_efficiency";
  word: Key;
  iso: Key;
  part: "apt_s" | "aubt_s";
  whole: "pbt_s" | "aubt_s";
}

const shown: Shown[] = [
  { field: "availability", word: "fig.availability", iso: "fig.availability.iso", part: "apt_s", whole: "pbt_s" },
  { field: "allocation_efficiency", word: "fig.allocation", iso: "fig.allocation.iso", part: "aubt_s", whole: "pbt_s" },
  { field: "utilization_efficiency", word: "fig.utilization", iso: "fig.utilization.iso", part: "apt_s", whole: "aubt_s" },
];

export function hourMeasure(seconds: number, unit: string): Measure {
  return { value: number(seconds / 3600, seconds < 36_000 ? 1 : 0), unit };
}

/** The figures of one period as bars with words; where there is none, why. */
export function FigureBars({ kpi: k, reasons }: { kpi: KPI; reasons: Reasons }) {
  const { t, billed, lang } = useWords();
  const why = (field: string) => reasons[k.why[field] ?? ""]?.[lang] ?? t("fig.none");
  const hours = (s: number) => joined(hourMeasure(s, t("time.hour")));
  const apart = [
    k.outside_run_s > 0 ? t("fig.outside", { duration: billed(k.outside_run_s) }) : "",
    k.unattributed_s > 0 ? t("fig.nocard", { duration: billed(k.unattributed_s) }) : "",
    k.power_cut_s > 0 ? t("fig.dark", { duration: billed(k.power_cut_s) }) : "",
    k.planned_unknown_s - k.power_cut_s > 0 ? t("fig.unknown", { duration: billed(k.planned_unknown_s - k.power_cut_s) }) : "",
  ].filter((w) => w !== "");
  return (
    <div class="figures">
      {k.calendar !== "set" ? <p class="hint">{t(k.calendar === "none" ? "fig.nocalendar" : "fig.partcalendar")}</p> : null}
      <p class="small">
        {t("fig.planned", { duration: billed(k.pbt_s) })}
        {k.coverage !== undefined ? <> · <b>{t("fig.coverage", { percent: percent(k.coverage) })}</b></> : null}
      </p>
      <dl class="bars">
        {shown.map((f) => {
          const v = k[f.field];
          return (
            <div key={f.field} data-figure={f.field}>
              <dt>{t(f.word)} <small>{t(f.iso)}</small></dt>
              <dd>
                {v === undefined ? <span class="nofigure">{why(f.field)}</span> : (
                  <>
                    <Bar value={v} label={`${t(f.word)}: ${percent(v)}`} />
                    <b>{percent(v)}</b> <small>{t("fig.of", { part: hours(k[f.part]), whole: hours(k[f.whole]) })}</small>
                  </>
                )}
              </dd>
            </div>
          );
        })}
        <div data-figure="capacity_ratio">
          <dt>{t("fig.capacity", { hours: number(k.capacity_year_h) })}</dt>
          <dd>
            {k.capacity_ratio === undefined ? <span class="nofigure">{why("capacity_ratio")}</span> : (
              <>
                <Bar value={k.capacity_ratio} label={`${t("fig.capacity", { hours: number(k.capacity_year_h) })}: ${percent(k.capacity_ratio)}`} />
                <b>{percent(k.capacity_ratio)}</b> <small>{t("fig.of", { part: hours(k.run_s), whole: hours(k.capacity_s) })}</small>
              </>
            )}
          </dd>
        </div>
      </dl>
      {apart.length > 0 ? <p class="apart">{apart.map((w) => <span key={w}>{w}</span>)}</p> : null}
      <p class="small">
        {t("fig.failures", { n: k.failures })}
        {k.mtbf_s !== undefined ? ` · ${t("fig.mtbf", { duration: billed(k.mtbf_s) })}` : ""}
        {k.mttr_s !== undefined ? ` · ${t("fig.mttr", { duration: billed(k.mttr_s) })}` : ""}
        {k.failures === 0 && k.why.mtbf_s ? ` · MTBF, MTTR: ${why("mtbf_s")}` : ""}
      </p>
    </div>
  );
}

const meant: readonly (readonly [Key, Key])[] = [
  ["fig.d.planned", "fig.m.planned"], ["machine.coverage", "fig.m.coverage"], ["fig.availability", "fig.m.availability"], ["fig.allocation", "fig.m.allocation"],
  ["fig.utilization", "fig.m.utilization"], ["fig.d.capacity", "fig.m.capacity"], ["fig.outside.short", "fig.m.outside"], ["fig.d.mtbf", "fig.m.mtbf"],
];

/** How the figures are counted, and where the way leads down to the samples. */
export function Meaning({ words = meant }: { words?: readonly (readonly [Key, Key])[] }) {
  const { t } = useWords();
  return (
    <details class="meaning noprint">
      <summary>{t("fig.means")}</summary>
      <dl>{words.map(([what, is]) => <div key={what}><dt>{t(what)}</dt><dd>{t(is)}</dd></div>)}</dl>
      <p class="small">{t("fig.m.down")}</p>
    </details>
  );
}

/** A share as a bar; beyond the whole it is full and striped. */
function Bar({ value, label }: { value: number; label: string }) {
  return (
    <svg class={`share${value > 1 ? " beyond" : ""}`} viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="ground" width="100" height="6" />
      <rect class="value" width={Math.min(100, Math.max(0, value * 100))} height="6" />
    </svg>
  );
}
