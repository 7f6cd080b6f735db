// The live picture of one site: one GET, then server-sent events. Plain object with listeners, no framework.
import type { Alarm, Gateway, Machine, Schemas } from "./api";
import { ApiError, get } from "./api";
import { push, type Piece } from "./bar";

export type Link = "connecting" | "live" | "lost" | "blind";

/** A machine with its day and hour in the forms that are drawn. */
export interface View {
  machine: Machine;
  day: Piece[];
  dayFrom: number;
  spark: (number | null)[];
  sparkFrom: number;
  sparkStep: number;
  sampleAt: number | undefined; // Unix ms
}

export class LiveSite {
  machines: View[] = [];
  alarms = new Map<number, Alarm>();
  gateways = new Map<string, Gateway>();
  link: Link = "connecting";
  loaded = false;
  error: ApiError | undefined;
  knownAt = 0; // server time of the newest news, Unix ms

  private offset = 0; // server's clock − ours, ms
  private source: EventSource | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setInterval> | undefined;
  private heard = 0;
  private wait = 1000;
  private stopped = false;
  private listeners = new Set<() => void>();

  constructor(readonly site: string) {}

  /** The server's present time, Unix ms. */
  now(): number {
    return Date.now() + this.offset;
  }

  on(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(): void {
    for (const l of this.listeners) l();
  }

  start(): void {
    void this.load();
    this.watchdog = setInterval(() => {
      // Pings come every 15 s: three missed ones mean a dead line that nobody has told us about.
      if (this.source && performance.now() - this.heard > 45_000) this.lose();
    }, 5000);
  }

  stop(): void {
    this.stopped = true;
    this.source?.close();
    clearTimeout(this.timer);
    clearInterval(this.watchdog);
  }

  private async load(): Promise<void> {
    try {
      const all = await get("/api/v1/sites/{site}/machines", { site: this.site });
      if (this.stopped) return;
      this.setClock(all.time);
      this.machines = all.machines.map((m) => view(m));
      this.loaded = true;
      this.error = undefined;
      this.wait = 1000;
      this.listen(all.cursor);
    } catch (e) {
      if (this.stopped) return;
      this.error = e instanceof ApiError ? e : new ApiError(0, "");
      this.link = "lost";
      if (this.error.status !== 401 && this.error.status !== 403) this.later();
    }
    this.tell();
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), this.wait);
    this.wait = Math.min(this.wait * 2, 30_000);
  }

  private lose(): void {
    this.source?.close();
    this.source = undefined;
    if (this.stopped) return;
    this.link = "lost";
    this.tell();
    this.later();
  }

  private listen(cursor: string): void {
    this.source?.close();
    // The stream opens with what changed of the machines since the cursor, and with all alarms and gateways.
    this.alarms = new Map();
    this.gateways = new Map();
    const s = new EventSource(`/api/v1/sites/${encodeURIComponent(this.site)}/live?cursor=${encodeURIComponent(cursor)}`);
    this.source = s;
    this.heard = performance.now();
    const on = <T>(name: string, take: (v: T) => void) =>
      s.addEventListener(name, (e) => {
        this.heard = performance.now();
        this.knownAt = this.now();
        take(JSON.parse((e as MessageEvent<string>).data) as T);
        this.tell();
      });
    on<Schemas["MachineEvent"]>("machine", (e) => this.takeMachine(e));
    on<Alarm>("alarm", (a) => {
      if (a.state === "resolved") this.alarms.delete(a.id);
      else this.alarms.set(a.id, a);
    });
    on<Gateway>("gateway", (g) => this.gateways.set(g.id, g));
    on<Schemas["Ping"]>("ping", (p) => {
      this.setClock(p.time);
      this.link = p.ok ? "live" : "blind";
    });
    // A browser tries again by itself only after some failures; loading anew is right after all of them.
    s.onerror = () => this.lose();
  }

  private setClock(time: string): void {
    this.offset = Date.parse(time) - Date.now();
    this.knownAt = this.now();
  }

  private takeMachine(e: Schemas["MachineEvent"]): void {
    this.machines = this.machines.map((v) => {
      if (v.machine.id !== e.id) return v;
      const machine = { ...v.machine, live: e.live ?? v.machine.live, today: e.today ?? v.machine.today };
      if (e.today) return view(machine);
      const at = e.live?.last_sample ? Date.parse(e.live.last_sample) : v.sampleAt;
      const out = { ...v, machine, sampleAt: at };
      if (at !== undefined && e.live?.values.power_w !== undefined) {
        const moved = push(v.spark, v.sparkFrom, v.sparkStep, at, e.live.values.power_w);
        out.spark = moved.slots;
        out.sparkFrom = moved.from;
      }
      return out;
    });
  }
}

function view(machine: Machine): View {
  const { today } = machine;
  return {
    machine,
    day: pieces(today.segments),
    dayFrom: Date.parse(today.from),
    spark: today.spark.mean_w,
    sparkFrom: Date.parse(today.spark.from),
    sparkStep: today.spark.step_s * 1000,
    sampleAt: machine.live.last_sample ? Date.parse(machine.live.last_sample) : undefined,
  };
}

export function pieces(segments: readonly Schemas["Segment"][]): Piece[] {
  return segments.map((s) => ({ state: s.state, from: Date.parse(s.start), to: Date.parse(s.end) }));
}
