import { useEffect, useMemo, useState } from "preact/hooks";
import type { Me, Site } from "./api";
import { ApiError, get, post } from "./api";
import { PlaceContext, useLive, type Place } from "./context";
import { clockSeconds } from "./format";
import { keepLang, keptLang, useWords, WordsContext, wordsOf, type Key } from "./i18n";
import { LiveSite } from "./live";
import { Alarms } from "./pages/alarms";
import { Calendar } from "./pages/calendar";
import { Figures } from "./pages/figures";
import { Energy } from "./pages/energy";
import { Gaps } from "./pages/gaps";
import { JobPage, Jobs } from "./pages/jobs";
import { Live } from "./pages/live";
import { MachinePage } from "./pages/machine";
import { Quarantine } from "./pages/quarantine";
import { Reports } from "./pages/reports";
import { Sessions } from "./pages/sessions";
import { SignIn } from "./pages/signin";
import { StatementPage } from "./pages/statement";
import { Statements } from "./pages/statements";
import { Thresholds } from "./pages/thresholds";
import { Busy, Failed } from "./parts/status";
import { useRoute } from "./route";

const wall = new URLSearchParams(location.search).has("wall");
const roleWord: Record<Me["role"], Key | undefined> = {
  "": undefined, admin: "role.admin", manager: "role.manager", accountant: "role.accountant", technician: "role.technician", group: "role.group", viewer: "role.viewer",
};

export function App() {
  const [lang, setLang] = useState(keptLang);
  const words = useMemo(() => wordsOf(lang), [lang]);
  const route = useRoute();
  const [me, setMe] = useState<Me>();
  const [sites, setSites] = useState<Site[]>([]);
  const [error, setError] = useState<ApiError>();
  const [turn, setTurn] = useState(0);
  const [siteID, setSiteID] = useState(() => new URLSearchParams(location.search).get("site") ?? "");

  useEffect(() => {
    keepLang(lang);
    document.title = `${words.t("brand")} · ${words.lang === "hi" ? "Karkhana" : "कारखाना"}`;
  }, [lang]);
  useEffect(() => {
    document.documentElement.classList.toggle("wall", wall);
  }, []);
  useEffect(() => {
    let here = true;
    (async () => {
      const who = await get("/api/v1/me");
      const all = who.role === "" ? [] : (await get("/api/v1/sites")).sites;
      if (!here) return;
      setMe(who);
      setSites(all);
      setError(undefined);
    })().catch((e: unknown) => here && setError(e instanceof ApiError ? e : new ApiError(0, "")));
    return () => {
      here = false;
    };
  }, [turn]);

  const site = sites.find((s) => s.id === siteID) ?? sites[0];
  const seesLive = me !== undefined && me.role !== "" && me.role !== "group";
  const live = useMemo(() => (site && seesLive ? new LiveSite(site.id) : undefined), [site?.id, seesLive, turn]);
  useEffect(() => {
    live?.start();
    return () => live?.stop();
  }, [live]);

  const place: Place | undefined = me && site ? { me, site, live, may: (...roles) => me.role === "admin" || roles.includes(me.role) } : undefined;
  const again = () => setTurn((n) => n + 1);

  const day = route.query.get("day");
  let body;
  if (route.page === "signin" || (me && me.role === "")) body = <SignIn me={me} token={route.query.get("token") ?? ""} done={again} />;
  else if (error) body = <Failed error={error} again={again} />;
  else if (!me) body = <Busy />;
  else if (!place) body = <p class="empty">{words.t(me.role === "admin" || me.role === "manager" ? "live.empty.what" : "live.empty")}</p>;
  else if (route.page === "sessions") body = <Sessions day={route.id} />;
  else if (route.page === "jobs") body = <Jobs />;
  else if (route.page === "job") body = <JobPage key={route.id} id={route.id} />;
  else if (!seesLive || route.page === "statements") body = route.page === "statement" ? <StatementPage id={Number(route.id)} /> : <Statements month={route.id} />;
  else if (route.page === "statement") body = <StatementPage id={Number(route.id)} />;
  else if (route.page === "reports") body = <Reports month={route.id} query={route.query} />;
  else if (route.page === "machine") body = <MachinePage key={`${route.id} ${day}`} id={route.id} {...(day ? { at: day } : {})} />;
  else if (route.page === "thresholds") body = <Thresholds key={route.id} id={route.id} />;
  else if (route.page === "alarms") body = <Alarms />;
  else if (route.page === "figures") body = <Figures />;
  else if (route.page === "calendar") body = <Calendar />;
  else if (route.page === "energy") body = <Energy />;
  else if (route.page === "gaps") body = <Gaps />;
  else if (route.page === "quarantine") body = <Quarantine />;
  else body = <Live />;

  return (
    <WordsContext.Provider value={words}>
      <PlaceContext.Provider value={place}>
        <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>
          {words.t("skip")}
        </a>
        <header class="top noprint">
          <Brand site={site} />
          {sites.length > 1 ? (
            <select aria-label={words.t("nav.site")} value={site?.id} onChange={(e) => setSiteID(e.currentTarget.value)}>
              {sites.map((s) => (
                <option key={s.id} value={s.id}>{words.name(s.name, s.id)}</option>
              ))}
            </select>
          ) : null}
          <span class="grow" />
          {live ? <LinkDot live={live} /> : null}
          <button type="button" class="plain" lang={lang === "hi" ? "en" : "hi"} aria-label={words.t("lang.switch")} onClick={() => setLang(lang === "hi" ? "en" : "hi")}>
            {words.t("lang.other")}
          </button>
          <Person me={me} signOut={() => void post("/api/v1/logout", {}).finally(() => { location.hash = "#/live"; again(); })} />
        </header>
        {place && !wall ? <Nav page={seesLive || route.page === "statement" ? route.page : "statements"} place={place} /> : null}
        <main id="main" tabIndex={-1}>
          {live && route.page !== "signin" ? <LinkBanner live={live} zone={site?.zone ?? "UTC"} /> : null}
          {body}
        </main>
      </PlaceContext.Provider>
    </WordsContext.Provider>
  );
}

function Brand({ site }: { site: Site | undefined }) {
  const { t, name } = useWords();
  return (
    <a class="brand" href="#/live">
      <img src="/icon.svg" alt="" width="32" height="32" />
      <span>
        <b>{t("brand")}</b>
        {site ? <small>{name(site.name, site.id)}</small> : null}
      </span>
    </a>
  );
}

function Person({ me, signOut }: { me: Me | undefined; signOut: () => void }) {
  const { t } = useWords();
  if (!me) return null;
  if (!me.signed_in) return wall ? null : <a class="plain" href="#/signin">{t("nav.signin")}</a>;
  const word = roleWord[me.role];
  return (
    <>
      <span class="who" title={me.name}>{word ? t(word) : me.name}</span>
      <button type="button" class="plain" onClick={signOut}>{t("nav.signout")}</button>
    </>
  );
}

function Nav({ page, place }: { page: string; place: Place }) {
  const { t } = useWords();
  useLive(place.live);
  useEffect(() => document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [page]);
  const bills = place.may("manager", "accountant", "group");
  const open = [...(place.live?.alarms.values() ?? [])].filter((a) => a.state === "open" && !(a.shelved_until && Date.parse(a.shelved_until) > (place.live?.now() ?? 0))).length;
  const item = (to: string, word: Key, pages: string[], badge = 0) => (
    <a href={`#/${to}`} aria-current={pages.includes(page) ? "page" : undefined}>
      {t(word)}
      {badge > 0 ? <span class="badge" aria-label={t("live.alarmcount", { n: badge })}>{badge}</span> : null}
    </a>
  );
  return (
    <nav class="tabs noprint" aria-label={t("nav.label")}>
      {place.live ? item("live", "nav.live", ["live", "machine", "thresholds"]) : null}
      {place.live ? item("alarms", "nav.alarms", ["alarms"], open) : null}
      {place.live ? item("figures", "nav.figures", ["figures", "calendar"]) : null}
      {place.live ? item("energy", "nav.energy", ["energy"]) : null}
      {place.live ? item("gaps", "nav.gaps", ["gaps", "quarantine"]) : null}
      {bills || !place.me.signed_in ? item("statements", "nav.statements", ["statements", "statement", "sessions", "jobs", "job"]) : null}
      {!bills && place.may("technician") ? item("jobs", "jo.title", ["sessions", "jobs", "job"]) : null}
      {place.may("manager", "accountant") ? item("reports", "nav.reports", ["reports"]) : null}
      <span class="grow" />
      {place.live ? <a class="towall" href="?wall#/live">{t("wall.on")}</a> : null}
    </nav>
  );
}

function LinkDot({ live }: { live: LiveSite }) {
  const { t } = useWords();
  useLive(live);
  const word: Key = live.link === "live" ? "link.live" : "link.connecting";
  return (
    <span class={`dot d-${live.link}`} role="status">
      <i aria-hidden="true" />
      <span class="dotword">{t(word)}</span>
    </span>
  );
}

/** Says plainly when what is on the screen no longer moves. */
function LinkBanner({ live, zone }: { live: LiveSite; zone: string }) {
  const { t } = useWords();
  useLive(live);
  if (!live.loaded || (live.link !== "lost" && live.link !== "blind")) return null;
  return (
    <p class="banner noprint" role="alert">
      {t(live.link === "lost" ? "link.lost" : "link.blind", { time: clockSeconds(live.knownAt, zone) })}
    </p>
  );
}
