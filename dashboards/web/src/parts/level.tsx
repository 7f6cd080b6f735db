// One value on the scale of its machine: what is usual, where the limit lies, where it is.
import { number } from "../format";
import { useWords, type Key } from "../i18n";

export const quantityName: Record<string, Key> = { vibration: "q.vibration", acceleration: "q.acceleration", kurtosis: "q.kurtosis" };

export function measure(v: number, unit: string): string {
  return `${number(v, Math.abs(v) >= 100 ? 0 : Math.abs(v) >= 10 ? 1 : 2)}${unit ? `\u00a0${unit}` : ""}`;
}

export function Level({ usual, limit, value, unit, then }: { then?: boolean;  usual?: number | undefined; limit?: number | undefined; value?: number | undefined; unit: string }) {
  const { t } = useWords();
  const top = Math.max(usual ?? 0, limit ?? 0, value ?? 0) * 1.12 || 1;
  const x = (v: number) => (v / top) * 1000;
  const over = value !== undefined && limit !== undefined && value >= limit;
  return (
    <div class={`level${over ? " over" : ""}`}>
      <svg viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true">
        <rect class="lv-ground" width="1000" height="24" />
        {limit !== undefined ? <rect class="lv-beyond" x={x(limit)} width={1000 - x(limit)} height="24" /> : null}
        {value !== undefined ? <rect class="lv-value" y="5" width={x(value)} height="14" /> : null}
        {usual !== undefined ? <rect class="lv-usual" x={x(usual) - 3} width="6" height="24" /> : null}
        {limit !== undefined ? <rect class="lv-limit" x={x(limit) - 3} width="6" height="24" /> : null}
      </svg>
      <p class="levelwords">
        {value !== undefined ? <span class="lw-now">{t(then ? "lv.then" : "lv.now")} <b>{measure(value, unit)}</b></span> : null}
        {usual !== undefined ? <span class="lw-usual">{t("lv.usual")} <b>{measure(usual, unit)}</b></span> : null}
        {limit !== undefined ? <span class="lw-limit">{t("lv.limit")} <b>{measure(limit, unit)}</b></span> : null}
      </p>
    </div>
  );
}
