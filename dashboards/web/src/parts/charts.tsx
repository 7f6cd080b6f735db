import { clock, date, joined, power } from "../format";
import { useWords } from "../i18n";

/** The last hour of power as a small line; minutes without samples are gaps, never zero. */
export function Spark({ values }: { values: readonly (number | null)[] }) {
  const { t } = useWords();
  const known = values.filter((v): v is number => v !== null);
  if (known.length < 2) return <svg class="spark" viewBox="0 0 100 30" aria-hidden="true" />;
  const max = Math.max(...known, 50); // a few watts of standby are a flat line, not a mountain
  const min = Math.min(...known, 0);
  const y = (v: number) => 28 - ((v - min) / (max - min)) * 26;
  const step = 100 / Math.max(values.length - 1, 1);
  const runs: string[][] = [];
  values.forEach((v, i) => {
    if (v === null) return;
    const point = `${(i * step).toFixed(1)},${y(v).toFixed(1)}`;
    if (i > 0 && values[i - 1] !== null && runs.length) runs[runs.length - 1]?.push(point);
    else runs.push([point]);
  });
  return (
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img"
      aria-label={t("live.spark", { min: joined(power(Math.min(...known))), max: joined(power(Math.max(...known))) })}>
      {runs.map((r) => {
        const first = r[0]?.split(",")[0] ?? "0";
        const last = r[r.length - 1]?.split(",")[0] ?? "0";
        return (
          <g key={first}>
            <polygon points={`${first},30 ${r.join(" ")} ${last},30`} />
            <polyline points={r.join(" ")} />
          </g>
        );
      })}
    </svg>
  );
}

export interface ChartPoint {
  t: number; // Unix ms, begin of the piece
  min: number;
  max: number;
  mean: number;
}

/** Round steps for an axis: 1, 2 or 5 times a power of ten. */
export function ticks(min: number, max: number, wanted: number): number[] {
  if (!(max > min)) return [min];
  const raw = (max - min) / wanted;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= raw) ?? raw;
  const out: number[] = [];
  for (let v = Math.ceil(min / step - 1e-9) * step; v <= max + step * 1e-9; v += step) out.push(Number(v.toPrecision(12)));
  return out;
}

/** A machine that does nothing is read once a minute or less: only a longer silence breaks the line, ms. */
const apart = 180_000;

/** A quantity over time: line of means in a band from smallest to largest. Missing pieces break the line. */
export function Chart({ points, from, to, step, zone, label }: { points: readonly ChartPoint[]; from: number; to: number; step: number; zone: string; label: string }) {
  const W = Math.min(1040, Math.max(280, document.documentElement.clientWidth - 60)); // one unit is about one pixel
  const H = 260;
  const left = 56;
  const bottom = 26;
  const lowest = Math.min(...points.map((p) => p.min));
  const low = lowest >= 0 && lowest < 0.5 * Math.max(...points.map((p) => p.max)) ? 0 : lowest;
  const high = Math.max(...points.map((p) => p.max), low + 1e-6);
  const marks = ticks(low, high + (high - low) * 0.05, 5);
  const top = Math.max(high, marks[marks.length - 1] ?? high);
  const x = (ms: number) => left + ((ms - from) / (to - from)) * (W - left - 8);
  const y = (v: number) => H - bottom - ((v - low) / (top - low)) * (H - bottom - 10);
  const runs: ChartPoint[][] = [];
  points.forEach((p, i) => {
    const before = points[i - 1];
    if (before && p.t - before.t <= Math.max(step * 1.5, apart)) runs[runs.length - 1]?.push(p);
    else runs.push([p]);
  });
  const daily = to - from <= 26 * 3600_000;
  const times = Array.from({ length: 5 }, (_, i) => from + ((to - from) * i) / 4);
  return (
    <svg class="chart" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={label}>
      {marks.map((v) => (
        <g key={v}>
          <line class="grid" x1={left} x2={W - 8} y1={y(v)} y2={y(v)} />
          <text x={left - 6} y={y(v) + 4} text-anchor="end">{v.toLocaleString("en-IN", { maximumFractionDigits: 3 })}</text>
        </g>
      ))}
      {times.map((ms, i) => (
        <text key={ms} x={x(ms)} y={H - 6} text-anchor={i === 0 ? "start" : i === 4 ? "end" : "middle"}>{daily ? (i === 4 && to - from > 20 * 3600_000 ? "24:00" : clock(ms, zone)) : date(ms, zone).slice(0, 5)}</text>
      ))}
      {runs.map((r) => {
        const mid = (p: ChartPoint) => x(Math.min(p.t + step / 2, to));
        const band = [...r.map((p) => `${mid(p).toFixed(1)},${y(p.max).toFixed(1)}`), ...[...r].reverse().map((p) => `${mid(p).toFixed(1)},${y(p.min).toFixed(1)}`)].join(" ");
        const alone = r.length === 1 ? r[0] : undefined;
        if (alone) return <circle key={alone.t} class="spot" cx={mid(alone)} cy={y(alone.mean)} r="2" />;
        return (
          <g key={r[0]?.t}>
            <polygon class="band" points={band} />
            <polyline class="line" points={r.map((p) => `${mid(p).toFixed(1)},${y(p.mean).toFixed(1)}`).join(" ")} />
          </g>
        );
      })}
    </svg>
  );
}
