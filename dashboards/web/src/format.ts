// Numbers, times and money as people of the site read them: Indian grouping, Latin digits, the site's time zone.

export type Lang = "hi" | "en";

const numberFormats = new Map<number, Intl.NumberFormat>();

/** 123456.7 → "1,23,456.7" with exactly so many decimals. */
export function number(v: number, decimals = 0): string {
  let f = numberFormats.get(decimals);
  if (!f) {
    f = new Intl.NumberFormat("en-IN", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    numberFormats.set(decimals, f);
  }
  return f.format(v);
}

/** Decimals that leave three figures to read: 4.82, 48.2, 482. */
function threeFigures(v: number): number {
  const a = Math.abs(v);
  return a >= 99.95 ? 0 : a >= 9.995 ? 1 : 2;
}

export interface Measure {
  value: string;
  unit: string;
}

/** Watts as W below one kilowatt, else kW. */
export function power(w: number): Measure {
  if (Math.abs(w) < 999.5) return { value: number(Math.round(w)), unit: "W" };
  return { value: number(w / 1000, threeFigures(w / 1000)), unit: "kW" };
}

/** Watt-hours as Wh below one kilowatt-hour, else kWh (one kWh is a "unit" on the electricity bill). */
export function energy(wh: number): Measure {
  if (Math.abs(wh) < 999.5) return { value: number(Math.round(wh)), unit: "Wh" };
  return { value: number(wh / 1000, threeFigures(wh / 1000)), unit: "kWh" };
}

export function joined(m: Measure): string {
  return `${m.value}\u00a0${m.unit}`;
}

/** Paise as rupees, without passing through a fraction: 12345678 → "₹1,23,456.78". */
export function rupees(paise: number): string {
  const sign = paise < 0 ? "−" : "";
  const p = Math.abs(paise);
  return `${sign}₹${number(Math.floor(p / 100))}.${String(p % 100).padStart(2, "0")}`;
}

export interface DurationUnits {
  day: string;
  hour: string;
  minute: string;
  second: string;
}

/** Seconds in at most two parts: "3 h 20 min", "45 s", "2 d 4 h"; without days "52 h 10 min", as bills want it. */
export function duration(seconds: number, u: DurationUnits, days = true): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (a: number, au: string, b: number, bu: string) => `${number(a)}\u00a0${au}${b ? ` ${b}\u00a0${bu}` : ""}`;
  if (s < 60) return `${s}\u00a0${u.second}`;
  if (s < 3600) {
    const m = Math.floor(s / 60);
    return m < 10 ? two(m, u.minute, s % 60, u.second) : `${m}\u00a0${u.minute}`;
  }
  if (s < 172_800 || !days) return two(Math.floor(s / 3600), u.hour, Math.floor((s % 3600) / 60), u.minute);
  return two(Math.floor(s / 86_400), u.day, Math.floor((s % 86_400) / 3600), u.hour);
}

/** Seconds as hours for sums: "12.50". */
export function hours(seconds: number): string {
  return number(seconds / 3600, 2);
}

/** Share 0–1 as per cent; undefined gives a dash. */
export function percent(v: number | undefined): string {
  return v === undefined ? "–" : `${number(v * 100, 0)}\u00a0%`;
}

interface Parts {
  y: number;
  m: number;
  d: number;
  h: number;
  min: number;
  s: number;
}

const zoneFormats = new Map<string, Intl.DateTimeFormat>();

function parts(ms: number, zone: string): Parts {
  let f = zoneFormats.get(zone);
  if (!f) {
    f = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    });
    zoneFormats.set(zone, f);
  }
  const p: Record<string, number> = {};
  for (const x of f.formatToParts(ms)) if (x.type !== "literal") p[x.type] = Number(x.value);
  return { y: p.year ?? 0, m: p.month ?? 0, d: p.day ?? 0, h: p.hour ?? 0, min: p.minute ?? 0, s: p.second ?? 0 };
}

const two = (n: number) => String(n).padStart(2, "0");

/** 10:42 in the zone. */
export function clock(ms: number, zone: string): string {
  const p = parts(ms, zone);
  return `${two(p.h)}:${two(p.min)}`;
}

/** 10:42:05 in the zone. */
export function clockSeconds(ms: number, zone: string): string {
  return `${clock(ms, zone)}:${two(parts(ms, zone).s)}`;
}

/** 22-11-2026 in the zone. */
export function date(ms: number, zone: string): string {
  const p = parts(ms, zone);
  return `${two(p.d)}-${two(p.m)}-${p.y}`;
}

export function dateClock(ms: number, zone: string): string {
  return `${date(ms, zone)} ${clock(ms, zone)}`;
}

/** 2026-11-22 in the zone, as <input type="date"> wants it. */
export function isoDay(ms: number, zone: string): string {
  const p = parts(ms, zone);
  return `${p.y}-${two(p.m)}-${two(p.d)}`;
}

/** Unix ms of the local midnight that begins a day given as 2026-11-22. */
export function midnight(day: string, zone: string): number {
  const wanted = Date.parse(`${day}T00:00:00Z`);
  let at = wanted;
  for (let i = 0; i < 2; i++) {
    const p = parts(at, zone);
    at += wanted - Date.UTC(p.y, p.m - 1, p.d, p.h, p.min, p.s);
  }
  return at;
}

/** 2026-11-22T10:42 in the zone, as <input type="datetime-local"> wants it. */
export function localMinute(ms: number, zone: string): string {
  return `${isoDay(ms, zone)}T${clock(ms, zone)}`;
}

/** The instant of a <input type="datetime-local"> of the zone. */
export function instant(text: string, zone: string): string {
  return new Date(midnight(text.slice(0, 10), zone) + (Number(text.slice(11, 13)) * 60 + Number(text.slice(14, 16))) * 60_000).toISOString();
}

/** The day n days after (before, when negative). */
export function shiftDay(day: string, n: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + n * 86_400_000).toISOString().slice(0, 10);
}

/** First days of a month given as 2026-11 and of the next one. */
export function monthDays(month: string): { first: string; next: string } {
  const y = Number(month.slice(0, 4));
  const m = Number(month.slice(5, 7));
  return { first: `${month}-01`, next: `${m === 12 ? y + 1 : y}-${two(m === 12 ? 1 : m + 1)}-01` };
}

/** The last n months, newest first, as 2026-11. */
export function lastMonths(ms: number, zone: string, n: number): string[] {
  const p = parts(ms, zone);
  return Array.from({ length: n }, (_, i) => {
    const k = p.y * 12 + p.m - 1 - i;
    return `${Math.floor(k / 12)}-${two((k % 12) + 1)}`;
  });
}

/** November 2026, नवंबर 2026. */
export function monthName(month: string, lang: Lang): string {
  const at = Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)) - 1, 15);
  return new Intl.DateTimeFormat(lang === "hi" ? "hi-IN-u-nu-latn" : "en-IN", { timeZone: "UTC", month: "long", year: "numeric" }).format(at);
}
