// The maths of bars of states: pure, so that it can be tested.

export type State = "off" | "idle" | "run" | "unknown";

export interface Piece {
  state: State;
  from: number; // Unix ms
  to: number;
}

export interface Rect {
  state: State;
  x: number; // share of the bar, 0–1
  width: number;
}

/** Places pieces on a bar that spans [from, to): cut to it, neighbours of one state joined, nothing narrower than nothing. */
export function place(pieces: readonly Piece[], from: number, to: number): Rect[] {
  const out: Rect[] = [];
  const span = to - from;
  if (span <= 0) return out;
  for (const p of pieces) {
    const a = Math.max(p.from, from);
    const b = Math.min(p.to, to);
    if (b <= a) continue;
    const x = (a - from) / span;
    const width = (b - a) / span;
    const last = out[out.length - 1];
    if (last && last.state === p.state && Math.abs(last.x + last.width - x) < 1e-9) last.width += width;
    else out.push({ state: p.state, x, width });
  }
  return out;
}

/** Draws a day on to the present: the server sends the bar rarely and the live state often. */
export function upTo(pieces: readonly Piece[], state: State, since: number | undefined, now: number): Piece[] {
  const out = pieces.map((p) => ({ ...p }));
  const last = out[out.length - 1];
  if (!last) return since !== undefined && since < now ? [{ state, from: since, to: now }] : out;
  if (last.state === state) {
    last.to = Math.max(last.to, now);
    return out;
  }
  const begin = Math.max(since ?? last.to, last.from);
  if (begin >= now) return out;
  last.to = begin;
  out.push({ state, from: begin, to: now });
  return out.filter((p) => p.to > p.from);
}

/** Seconds in each state. */
export function sums(pieces: readonly Piece[]): Record<State, number> {
  const s: Record<State, number> = { off: 0, idle: 0, run: 0, unknown: 0 };
  for (const p of pieces) s[p.state] += (p.to - p.from) / 1000;
  return s;
}

/** Puts a newest value into minute slots that end with the present minute, moving old slots out. */
export function push(slots: readonly (number | null)[], from: number, step: number, now: number, value: number): { from: number; slots: (number | null)[] } {
  const out = [...slots];
  const n = out.length;
  let i = Math.floor((now - from) / step);
  if (i < 0 || n === 0) return { from, slots: out };
  if (i >= n) {
    const move = i - n + 1;
    out.splice(0, Math.min(move, n));
    while (out.length < n) out.push(null);
    from += move * step;
    i = n - 1;
  }
  out[i] = value;
  return { from, slots: out };
}
