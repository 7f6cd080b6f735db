import { useState } from "preact/hooks";
import { ApiError, get, post, type Schemas } from "../api";
import { useLive, useLoad, usePlace } from "../context";
import { date, dateClock, isoDay, midnight, number, percent, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { stateWord } from "../parts/state";
import { Busy, Empty, Failed, reason } from "../parts/status";

const signals = ["power", "power_max", "power_min", "current", "speed"] as const;
type Signal = (typeof signals)[number];
const signalWord: Record<string, Key> = { power: "th.s.power", power_max: "th.s.max", power_min: "th.s.min", current: "q.current", speed: "q.speed" };

type Suggestion = Schemas["SuggestionOutputBody"];
const refusalWord: Record<string, Key> = { "too-short": "th.tooshort", missing: "th.missing", "not-separate": "th.notseparate" };

/** Thresholds of a machine: what its history suggests, what holds now, and the button of the person who decides. */
export function Thresholds({ id }: { id: string }) {
  const { live, site, may } = usePlace();
  const { t, name } = useWords();
  useLive(live);
  const today = isoDay(live?.now() ?? 0, site.zone);
  const from = midnight(shiftDay(today, -14), site.zone);
  const to = midnight(shiftDay(today, 1), site.zone);
  const [asked, ask] = useState<Signal>();
  const loaded = useLoad((signal) => get("/api/v1/sites/{site}/machines/{machine}/threshold-suggestion", { site: site.id, machine: id, from: new Date(from).toISOString(), to: new Date(to).toISOString(), signal: asked }, signal), [site.id, id, from, asked]);
  if (!may("manager", "technician")) return <Empty>{t("error.403")}</Empty>;
  if (!live?.loaded) return <Busy />;
  const machine = live.machines.find((v) => v.machine.id === id)?.machine;
  return (
    <div class="sheet wide">
      <a class="back noprint" href={`#/machine/${id}`}>← {name(machine?.name, id)}</a>
      <h1>{t("th.title")}: {name(machine?.name, id)}</h1>
      <p class="small">{t("th.note")}</p>
      {loaded.data ? (
        <div class="tools noprint">
          <label>{t("th.signal")}{" "}
            <select value={loaded.data.signal} onChange={(e) => ask(e.currentTarget.value as Signal)}>
              {signals.map((s) => <option key={s} value={s}>{t(signalWord[s] ?? "q.power")}</option>)}
            </select>
          </label>
        </div>
      ) : null}
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : <Shown key={loaded.data.from + loaded.data.signal} s={loaded.data} machine={id} today={today} again={loaded.again} />}
    </div>
  );
}

function Shown({ s, machine, today, again }: { s: Suggestion; machine: string; today: string; again: () => void }) {
  const { site } = usePlace();
  const { t } = useWords();
  const start = s.suggested ?? s.present;
  const [idle, setIdle] = useState(String(start?.idle_above ?? ""));
  const [run, setRun] = useState(String(start?.run_above ?? ""));
  const [day, setDay] = useState(today);
  const [told, tell] = useState<string>();
  const [wrong, complain] = useState<{ word: Key; detail: string }>();
  const entered = { idle_above: Number(idle), run_above: Number(run) };
  const sensible = entered.idle_above > 0 && entered.idle_above <= entered.run_above;
  const [busy, work] = useState(false);
  const frame = frameOf(s.histogram, s.drift?.histogram ?? []);
  const show = (v: number) => `${number(v, v < 10 ? 1 : 0)} ${s.unit}`;
  const r = s.refused;
  const state = r?.state === "off" || r?.state === "idle" || r?.state === "run" ? t(stateWord[r.state]) : t("th.somestate");
  const need = r?.code === "missing" ? percent(r.need) : number(r?.need ?? 0, 0);
  const have = r?.code === "missing" ? percent(r.have) : number(r?.have ?? 0, 1);
  const text = s.classes.map((c) => `${c.state ? t(stateWord[c.state]) : "?"} ${show(c.centre)}, ${percent(c.share)}`).join("; ");
  const confirm = async (keep: boolean) => {
    tell(undefined);
    complain(undefined);
    if (!keep && !sensible) return complain({ word: "th.order", detail: "" });
    work(true);
    try {
      await post("/api/v1/sites/{site}/machines/{machine}/settings", { site: site.id, machine }, {
        keep, ...entered, pulse_s: s.suggested?.pulse_s ?? s.present?.pulse_s ?? 0, signal: s.signal as Signal,
        valid_from: new Date(midnight(day, site.zone)).toISOString(), learnt_from: s.from, learnt_to: s.to, classes: s.classes.filter((c) => c.state),
      });
      tell(t(keep ? "th.kept" : "th.done"));
      again();
    } catch (err) {
      const e = err instanceof ApiError ? err : new ApiError(0, "");
      complain({ word: reason(e), detail: e.detail });
    }
    work(false);
  };
  return (
    <>
      {s.drift && s.present ? (
        <section>
          <p class="banner">{t("th.drift")}</p>
          <h2>{t("th.then", { from: date(Date.parse(s.drift.from), site.zone), to: date(Date.parse(s.drift.to) - 1, site.zone) })}</h2>
          <Histogram bars={s.drift.histogram} cuts={s.present} frame={frame} text="" />
          <h2>{t("th.now", { from: date(Date.parse(s.from), site.zone), to: date(Date.parse(s.to) - 1, site.zone) })}</h2>
        </section>
      ) : null}
      <section>
        <h2>{t("th.histogram", { from: date(Date.parse(s.from), site.zone), to: date(Date.parse(s.to) - 1, site.zone), hours: number(s.known_s / 3600, 0) })}</h2>
        {s.histogram.length > 0 ? <Histogram bars={s.histogram} cuts={sensible ? entered : (s.suggested ?? s.present)} former={s.present} frame={frame} text={text} /> : <Empty>{t("th.nodata")}</Empty>}
      </section>
      <section>
        {r ? <p class="banner">{t("th.refused")} {t(refusalWord[r.code] ?? "th.missing", { state, have, need })}</p> : <p>{t("th.why")}</p>}
        <div class="scroll" tabIndex={0} role="region" aria-label={t("th.title")}>
          <table>
            <thead><tr><th /><th class="n">{t("th.idle")}</th><th class="n">{t("th.run")}</th><th class="n">{t("th.pulse")}</th></tr></thead>
            <tbody>
              {([["th.present", s.present], ["th.suggested", s.suggested]] as const).map(([word, x]) => x ? (
                <tr key={word}><td>{t(word)}</td><td class="n">{show(x.idle_above)}</td><td class="n">{show(x.run_above)}</td><td class="n">{x.pulse_s > 0 ? `${number(x.pulse_s, 0)} s` : "–"}</td></tr>
              ) : null)}
            </tbody>
          </table>
        </div>
        <form onSubmit={(e) => { e.preventDefault(); void confirm(false); }} class="thresholds">
          <label>{t("th.idle")} ({s.unit}) <input type="number" min="0.001" step="any" required value={idle} onInput={(e) => setIdle(e.currentTarget.value)} /></label>
          <label>{t("th.run")} ({s.unit}) <input type="number" min="0.001" step="any" required value={run} onInput={(e) => setRun(e.currentTarget.value)} /></label>
          <label>{t("th.from")} <input type="date" required value={day} onInput={(e) => setDay(e.currentTarget.value)} /></label>
          {sensible && s.histogram.length > 0 ? <p class="small" data-effect>{t("th.effect", effect(s.histogram, entered))}</p> : null}
          <button type="submit" disabled={busy}>{t("th.confirm")}</button>
          {s.drift ? <button type="button" class="quiet" disabled={busy} onClick={() => void confirm(true)}>{t("th.keep")}</button> : null}
          {told ? <p role="status">{told}</p> : null}
          {wrong ? <p role="alert" class="wrong">{t(wrong.word)} <span lang="en">{wrong.detail}</span></p> : null}
        </form>
      </section>
      <section>
        <h2>{t("th.history")}</h2>
        <ul class="gaplist">
          {s.settings.map((x) => (
            <li key={x.from} class="gap" data-settings>
              <p><b>{Date.parse(x.from) < 86_400_000 ? t("th.always") : t("th.since", { day: dateClock(Date.parse(x.from), site.zone) })}</b></p>
              <p>{t(signalWord[x.signal] ?? "th.s.status")}{x.run_above > 0 ? `: ${t("th.idle")} ${number(x.idle_above, 0)}, ${t("th.run")} ${number(x.run_above, 0)}` : ""}</p>
              <p class="small">{x.confirmed ? t("th.by", { who: x.author ?? "", time: dateClock(Date.parse(x.confirmed), site.zone) }) : t("th.file")}</p>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

interface Cuts { idle_above: number; run_above: number }
type Bars = Suggestion["histogram"];
const place = (v: number) => Math.log10(v + 1);

/** What share of the known time would count as what, before dwell times. */
function effect(bars: Bars, cuts: Cuts): { run: string; idle: string; off: string } {
  const sum = (in_: (b: Bars[number]) => boolean) => percent(bars.filter(in_).reduce((a, b) => a + b.share, 0));
  const mid = (b: Bars[number]) => (b.from + b.to) / 2;
  return { run: sum((b) => mid(b) >= cuts.run_above), idle: sum((b) => mid(b) >= cuts.idle_above && mid(b) < cuts.run_above), off: sum((b) => mid(b) < cuts.idle_above) };
}

/** Round values along the axis, as many as fit. */
function roundValues(frame: { lo: number; hi: number }): number[] {
  return [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000].filter((v) => place(v) >= frame.lo - 1e-9 && place(v) <= frame.hi && (v === 0 || place(v) > frame.lo + 0.04 * (frame.hi - frame.lo)));
}

/** The ends of the axis, the same for all pictures of a machine. */
function frameOf(...all: Bars[]): { lo: number; hi: number } {
  const known = all.filter((b) => b.length > 0);
  const lo = Math.min(...known.map((b) => place(b[0]?.from ?? 0)));
  return { lo, hi: Math.max(lo + 0.1, ...known.map((b) => place(b[b.length - 1]?.to ?? 1))) };
}

/** How long at which value, with the thresholds as lines; the former ones broken. */
function Histogram({ bars, cuts, former, frame, text }: { bars: Bars; cuts?: Cuts; former?: Cuts; frame: { lo: number; hi: number }; text: string }) {
  const { t } = useWords();
  const at = (v: number) => ((place(v) - frame.lo) / (frame.hi - frame.lo)) * 1000;
  const most = Math.max(...bars.map((b) => b.share));
  const values = roundValues(frame);
  const lines = (c: Cuts | undefined, kind: string) => (c ? [...new Set([c.idle_above, c.run_above])] : []).map((v) => <line key={kind + v} class={kind} x1={at(v)} x2={at(v)} y1="0" y2="200" />);
  return (
    <figure class="histogram">
      <svg viewBox="0 0 1000 200" preserveAspectRatio="none" role="img" aria-label={text || t("th.title")}>
        {bars.map((b) => {
          const tall = 190 * Math.sqrt(b.share / most);
          const where = cuts && b.from >= cuts.run_above ? "run" : cuts && b.to > cuts.idle_above && cuts.idle_above < cuts.run_above ? "idle" : "off";
          return <rect key={b.from} class={`bar s-${where}`} x={at(b.from)} y={200 - tall} width={Math.max(1, at(b.to) - at(b.from) - 1)} height={tall} />;
        })}
        {lines(former, "former")}
        {lines(cuts, "cut")}
      </svg>
      <svg class="axis" aria-hidden="true">
        {values.filter((_, i) => values.length <= 6 || i % 2 === (values.length - 1) % 2).map((v) => <text key={v} x={`${Math.min(97, Math.max(3, at(v) / 10))}%`} y="12" text-anchor="middle">{number(v)}</text>)}
      </svg>
      <figcaption>{text ? `${text}. ` : ""}{t(former ? "th.axis.former" : "th.axis")}</figcaption>
    </figure>
  );
}
