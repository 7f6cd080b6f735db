import { useState } from "preact/hooks";
import type { Schemas } from "../api";
import { ApiError, get, post } from "../api";
import { useLoad, useLive, usePlace } from "../context";
import { clock, date, isoDay, midnight, monthDays, monthName, shiftDay } from "../format";
import { useWords, type Key } from "../i18n";
import { Busy, Empty, Failed, reason } from "../parts/status";

type Kind = Schemas["PlannedStretch"]["kind"];
type Stop = Schemas["PlannedStop"];
const kindWord: Record<Kind, Key> = {
  work: "cal.k.work", break: "cal.k.break", maintenance: "cal.k.maintenance", closure: "cal.k.closure", holiday: "cal.k.holiday", outside: "cal.k.outside", none: "cal.k.none",
};
const stopKinds = ["closure", "holiday", "maintenance"] as const;

/** A month of planned time, with what managers enter: closures, holidays, planned maintenance. */
export function Calendar() {
  const { live, site, may } = usePlace();
  useLive(live);
  const { t, name, lang } = useWords();
  const today = isoDay(live?.now() ?? Date.now(), site.zone);
  const [month, choose] = useState(today.slice(0, 7));
  const [machine, setMachine] = useState("");
  const { first, next } = monthDays(month);
  const loaded = useLoad((signal) => get("/api/v1/sites/{site}/calendar", {
    site: site.id, machine: machine || undefined, from: new Date(midnight(first, site.zone)).toISOString(), to: new Date(midnight(next, site.zone)).toISOString(),
  }, signal), [site.id, month, machine]);
  const machines = (live?.machines ?? []).filter((v) => !v.machine.meter).map((v) => v.machine);
  const nameOf = (id: string) => name(machines.find((m) => m.id === id)?.name, id);
  const stops = (loaded.data?.stops ?? []).filter((s) => !machine || !s.machine || s.machine === machine);
  return (
    <div class="sheet wide">
      <h1>{t("cal.title")}</h1>
      <p class="small">{t("cal.intro")}</p>
      <div class="daypick">
        <button type="button" aria-label={t("cal.prev")} onClick={() => choose(shiftDay(first, -1).slice(0, 7))}>‹</button>
        <b class="dayshown">{monthName(month, lang)}</b>
        <button type="button" aria-label={t("cal.next")} onClick={() => choose(next.slice(0, 7))}>›</button>
        <label class="noprint">{t("cal.who")}{" "}
          <select value={machine} onChange={(e) => setMachine(e.currentTarget.value)}>
            <option value="">{t("cal.site")}</option>
            {machines.map((m) => <option key={m.id} value={m.id}>{name(m.name, m.id)}</option>)}
          </select>
        </label>
      </div>
      {loaded.error ? <Failed error={loaded.error} again={loaded.again} /> : !loaded.data ? <Busy /> : (
        <>
          {loaded.data.calendar !== "set" ? <p class="hint">{t(loaded.data.calendar === "none" ? "fig.nocalendar" : "fig.partcalendar")}</p> : null}
          <Month first={first} next={next} today={today} stretches={loaded.data.stretches} stops={stops.filter((s) => !s.machine || s.machine === machine)} />
          <section>
            <h2>{t("cal.stops")}</h2>
            {stops.length === 0 ? <Empty>{t("cal.stops.none")}</Empty> : (
              <ul class="stoplist">{stops.map((s) => <StopItem key={s.id} stop={s} machine={s.machine ? nameOf(s.machine) : t("cal.site")} handles={may("manager")} done={loaded.again} />)}</ul>
            )}
          </section>
          {may("manager") ? <AddStop month={month} today={today} machines={machines} done={loaded.again} /> : null}
        </>
      )}
    </div>
  );
}

function Month({ first, next, today, stretches, stops }: { first: string; next: string; today: string; stretches: Schemas["PlannedStretch"][]; stops: Stop[] }) {
  const { site } = usePlace();
  const { t, name } = useWords();
  const days: string[] = [];
  for (let d = first; d < next; d = shiftDay(d, 1)) days.push(d);
  const lead = new Date(`${first}T00:00:00Z`).getUTCDay();
  return (
    <ol class="month">
      {t("cal.days").split(",").map((w, i) => <li key={w} class={`weekday${i === 0 ? " sun" : ""}`} aria-hidden="true">{w}</li>)}
      {days.map((d, i) => {
        const from = midnight(d, site.zone);
        const to = midnight(shiftDay(d, 1), site.zone);
        const inside = stretches
          .map((s) => ({ ...s, a: Math.max(Date.parse(s.from), from), b: Math.min(Date.parse(s.to), to) }))
          .filter((s) => s.a < s.b && s.kind !== "outside");
        // Named also where nobody would have worked anyway: a holiday on a Sunday.
        const named = stops.filter((s) => Date.parse(s.from) < to && Date.parse(s.to) > from);
        const word: Kind = inside.length === 0 ? (named.find((s) => s.kind === "holiday")?.kind ?? "outside") : inside.some((s) => s.kind === "work") ? "work" : inside.some((s) => s.kind === "none") ? "none" : (inside.find((s) => s.kind !== "break")?.kind ?? "break");
        // Shifts that touch, with their breaks, are one stretch of the clock.
        const open: [number, number][] = [];
        for (const s of inside) {
          if (s.kind !== "work" && s.kind !== "break") continue;
          const last = open[open.length - 1];
          if (last && last[1] === s.a) last[1] = s.b;
          else open.push([s.a, s.b]);
        }
        const hours = open.map(([a, b]) => `${clock(a, site.zone)}–${b === to ? "24:00" : clock(b, site.zone)}`);
        return (
          <li key={d} class={`monthday k-${word}${d === today ? " today" : ""}`} style={i === 0 ? { gridColumnStart: lead + 1 } : undefined} data-day={d}>
            <b>{Number(d.slice(8))}</b>
            <span class="dayword">{word === "work" ? hours.map((h) => <span key={h} class="nowrap">{h}</span>) : t(kindWord[word])}</span>
            {named.map((s) => <small key={s.id}>{name(s.name, s.kind)}</small>)}
            <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
              <rect class="ground" width="100" height="8" />
              {inside.map((s) => <rect key={s.a} class={`plan-${s.kind}`} x={((s.a - from) / (to - from)) * 100} width={((s.b - s.a) / (to - from)) * 100} height="8" />)}
            </svg>
          </li>
        );
      })}
    </ol>
  );
}

function StopItem({ stop: s, machine, handles, done }: { stop: Stop; machine: string; handles: boolean; done: () => void }) {
  const { site } = usePlace();
  const { t, name } = useWords();
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const [from, to] = [Date.parse(s.from), Date.parse(s.to)];
  const whole = clock(from, site.zone) === "00:00" && clock(to, site.zone) === "00:00";
  const last = whole ? to - 1 : to;
  const when = whole
    ? [date(from, site.zone), date(last, site.zone)].filter((d, i, all) => all.indexOf(d) === i).join(" – ")
    : `${date(from, site.zone)} ${clock(from, site.zone)} – ${date(from, site.zone) === date(to, site.zone) ? "" : `${date(to, site.zone)} `}${clock(to, site.zone)}`;
  const remove = () => {
    setBusy(true);
    setError(undefined);
    post("/api/v1/sites/{site}/calendar/stops/{id}/remove", { site: site.id, id: s.id })
      .then(done, (e: unknown) => setError(e instanceof ApiError ? e : new ApiError(0, "")))
      .finally(() => setBusy(false));
  };
  return (
    <li class={`stop st-${s.kind}`} data-stop={s.id}>
      <p><b>{name(s.name, s.kind)}</b> · {t(kindWord[s.kind])} · {machine}</p>
      <p>{when} <small>{s.source === "file" ? t("cal.file") : t("cal.by", { name: s.author })}</small></p>
      {handles && s.source === "person" ? <button type="button" class="noprint" disabled={busy} onClick={remove}>{t("cal.remove")}</button> : null}
      {error ? <Failed error={error} /> : null}
    </li>
  );
}

function AddStop({ month, today, machines, done }: { month: string; today: string; machines: Schemas["Machine"][]; done: () => void }) {
  const { site } = usePlace();
  const { t, name, lang } = useWords();
  const begin = today.startsWith(month) ? today : `${month}-01`;
  const [kind, setKind] = useState<Stop["kind"]>("closure");
  const [machine, setMachine] = useState("");
  const [first, setFirst] = useState(begin);
  const [last, setLast] = useState(begin);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const moment = (day: string, time: string, end: boolean) =>
    time ? midnight(day, site.zone) + (Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5))) * 60_000 : midnight(end ? shiftDay(day, 1) : day, site.zone);
  const save = (e: Event) => {
    e.preventDefault();
    setSaid("");
    if (!text.trim()) return setWrong(t("cal.named"));
    const [a, b] = [moment(first, from, false), moment(last, to, true)];
    if (!(a < b)) return setWrong(t("cal.order"));
    setWrong("");
    setBusy(true);
    post("/api/v1/sites/{site}/calendar/stops", { site: site.id }, {
      kind, ...(machine ? { machine } : {}), from: new Date(a).toISOString(), to: new Date(b).toISOString(),
      name: lang === "hi" ? { hi: text.trim(), en: "" } : { hi: "", en: text.trim() },
    }).then(() => {
      setText("");
      setSaid(t("cal.saved"));
      done();
    }, (err: unknown) => setWrong(err instanceof ApiError && err.status === 409 ? t("cal.overlap") : t(reason(err instanceof ApiError ? err : new ApiError(0, "")))))
      .finally(() => setBusy(false));
    return undefined;
  };
  return (
    <details class="addstop noprint">
      <summary>{t("cal.add")}</summary>
      <form onSubmit={save}>
        <label>{t("cal.kind")} <select value={kind} onChange={(e) => setKind(e.currentTarget.value as Stop["kind"])}>{stopKinds.map((k) => <option key={k} value={k}>{t(kindWord[k])}</option>)}</select></label>
        <label>{t("cal.who")}{" "}
          <select value={machine} onChange={(e) => setMachine(e.currentTarget.value)}>
            <option value="">{t("cal.site")}</option>
            {machines.map((m) => <option key={m.id} value={m.id}>{name(m.name, m.id)}</option>)}
          </select>
        </label>
        <label>{t("cal.from")} <input type="date" required value={first} onInput={(e) => { setFirst(e.currentTarget.value); if (e.currentTarget.value > last) setLast(e.currentTarget.value); }} /></label>
        <label>{t("cal.fromtime")} <input type="time" value={from} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
        <label>{t("cal.to")} <input type="date" required value={last} onInput={(e) => setLast(e.currentTarget.value)} /></label>
        <label>{t("cal.totime")} <input type="time" value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
        <label class="long">{t("cal.name")} <input value={text} maxLength={100} onInput={(e) => setText(e.currentTarget.value)} /></label>
        <button type="submit" class="big" disabled={busy}>{t("cal.save")}</button>
      </form>
      <p class="wrong" role="alert">{wrong}</p>
      <p class="said" role="status">{said}</p>
    </details>
  );
}
