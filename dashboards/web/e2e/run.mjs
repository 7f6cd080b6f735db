// Browser tests: real Chromium, the built pages, the real API over a made-up CFC (see server/main.go).
// Run with `npm run e2e` after `npm run build`. KARKHANA_SHOTS=folder keeps a picture of every page.
// KARKHANA_STEPS=words runs only the steps whose names hold them.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const here = import.meta.dirname;
const work = mkdtempSync(join(tmpdir(), "karkhana-e2e-"));
const shots = process.env.KARKHANA_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const axe = readFileSync(join(here, "../node_modules/axe-core/axe.min.js"), "utf8");
const phone = { width: 360, height: 640 };
const desk = { width: 1280, height: 800 };

if (!existsSync(join(here, "../dist/index.html"))) {
  console.error("e2e: the pages are not built: run `npm run build` first");
  process.exit(1);
}

const binary = join(work, "server");
const built = spawnSync("go", ["build", "-o", binary, "./dashboards/web/e2e/server"], { cwd: join(here, "../../.."), stdio: "inherit" });
if (built.status !== 0) process.exit(1);

/** Starts the server and gives its address and a way to end it. */
async function serve(listen = "") {
  const child = spawn(binary, ["--listen", listen], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => child.once("exit", done));
  const base = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("exit", (code) => fail(new Error(`the server ended with ${code}`)));
  });
  return { base, stop: async () => { child.kill("SIGTERM"); await ended; } };
}

let server = await serve();
const { base } = server;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const complaints = [];
let page;
let checks = 0;

/** A fresh browser in another zone than the site, so that times prove to be the site's. */
async function open(viewport, { token, lang } = {}) {
  await page?.context().close();
  const context = await browser.newContext({ viewport, locale: "en-US", timezoneId: "America/New_York" });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (e) => complaints.push(`page error: ${e.message}`));
  page.on("console", (m) => m.type() === "error" && !/status of 4\d\d|net::ERR/.test(m.text()) && complaints.push(`console: ${m.text()}`));
  if (lang) await page.addInitScript((l) => localStorage.setItem("karkhana.lang", l), lang);
  if (token) {
    await page.goto(`${base}/#/signin?token=test-token-of-${token}`);
    await page.waitForFunction(() => !location.hash.startsWith("#/signin"));
    assert.ok(!page.url().includes("token"), "the token has left the address");
  }
}

async function go(hash, ready) {
  await page.goto(`${base}/${hash}`);
  await page.locator(ready).first().waitFor();
}

/** No serious accessibility fault, no sideways scrolling, no complaint of the browser. */
async function sound(name) {
  await page.evaluate(() => document.fonts.ready);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${name}: scrolls sideways by ${wide} px`);
  await page.evaluate(axe);
  const faults = await page.evaluate(async () => (await globalThis.axe.run()).violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).slice(0, 3).join(" | ")}`));
  assert.deepEqual(faults, [], `${name}: accessibility`);
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  assert.deepEqual(complaints, [], name);
  checks++;
}

const steps = {
  async "machine page"() {
    await open(desk, { token: "manager" });
    await go("#/machine/cutting-1", ".chart");
    await page.locator("table").nth(1).waitFor();
    const tables = await page.locator("main").innerText();
    for (const word of ["13:10:00", "पीतल कला स्वयं सहायता समूह", "अभी जारी", "19-11-2026"]) assert.ok(tables.includes(word), `machine page says ${word}`);
    await sound("machine-hi");
    await page.getByRole("button", { name: "पिछला दिन" }).click();
    await page.locator(".dayshown", { hasText: "19-11-2026" }).waitFor();
    await page.getByRole("button", { name: "दिन, घंटे-घंटे" }).click();
    await page.getByText("09:00–10:00").waitFor();
    await go("#/machine/furnace-1", ".chart");
    await page.locator("select").last().selectOption("temperature");
    await page.getByText("तापमान, °C").waitFor();
  },
  // Early, because a card's stretch ends with the machine's data, which the made-up CFC gets no more of; after the machine's
  // page, because its card takes the place of the group's.
  async "jobs: entered, on a machine, ended, corrected, with a card"() {
    const later = async () => assert.equal((await page.request.post(`${base}/test/later`)).status(), 200);
    await open(phone, { token: "technician" });
    await go("#/jobs", "form.correct");
    assert.equal(await page.locator("main .gap").count(), 12, "the newest jobs only, so that the form is near");
    await page.getByRole("button", { name: /सब \d+ काम दिखाएँ/ }).click();
    assert.ok(await page.locator("main .gap").count() > 30);
    await page.getByLabel("काम संख्या").fill("E-17");
    await page.getByLabel("क्या बनता है").fill("पीतल के दीये");
    await page.getByLabel("वज़न (kg)").fill("12.5");
    await page.getByLabel("धातु (भट्ठी का काम)").selectOption("brass-70-30");
    await page.getByRole("button", { name: "सहेजें" }).click();
    await page.waitForFunction(() => location.hash === "#/job/E-17");
    const work = page.locator('[data-form="work"]');
    await work.getByLabel("मशीन").selectOption("furnace-1");
    await work.getByRole("button", { name: "शुरू" }).click();
    await later();
    await page.reload();
    await page.locator("tbody").getByText("अभी जारी").first().waitFor();
    assert.equal(await page.getByRole("button", { name: "सुधारें" }).count(), 0, "a technician corrects nothing");
    await work.getByLabel("मशीन").selectOption("furnace-1");
    await work.getByRole("button", { name: "शुरू" }).click();
    await work.getByText("E-17", { exact: false }).waitFor(); // the machine is busy
    await page.getByRole("button", { name: "काम मशीन से हटा" }).click();
    await page.getByRole("button", { name: "काम मशीन से हटा" }).waitFor({ state: "detached" });
    await work.getByLabel("बीता हुआ समय").check();
    await work.getByLabel("मशीन").selectOption("furnace-1");
    await work.getByLabel("से", { exact: true }).fill("2026-11-19T11:00");
    await work.getByLabel("तक", { exact: false }).fill("2026-11-19T12:30");
    await work.getByRole("button", { name: "सहेजें" }).click();
    await page.locator("tbody tr", { hasText: "19-11-2026 11:00" }).waitFor();
    await sound("job-phone-hi");

    const card = "cd".repeat(16);
    const tap = () => page.request.post(`${base}/test/tap?machine=cutting-1&card=${card}`);
    assert.equal((await tap()).status(), 200);
    await later();
    const cards = page.locator('[data-form="cards"]');
    await cards.getByRole("button", { name: "कार्ड दें" }).click();
    await cards.getByText("कटाई मशीन").waitFor();
    await sound("job-card-phone-hi");
    await cards.getByRole("button", { name: "यही कार्ड, इसी टैप से" }).click();
    await cards.getByRole("button", { name: "काम से कार्ड हटाएँ" }).waitFor();
    const tapped = page.locator("tbody tr", { hasText: "कटाई मशीन" });
    await tapped.getByText("कार्ड दोबारा लगाने पर यह समय रुकेगा").waitFor();

    await open(phone, { token: "accountant" });
    await go("#/job/E-17", "tbody tr");
    const past = page.locator("tbody tr", { hasText: "19-11-2026 11:00" });
    await past.getByRole("button", { name: "सुधारें" }).click();
    await past.getByLabel("से", { exact: true }).fill("2026-11-19T11:30");
    await past.locator("button.big").click();
    assert.equal(await past.getByLabel("कारण").evaluate((e) => e.validity.valueMissing), true, "not without a reason");
    await past.getByLabel("कारण").fill("आधे घंटे बाद शुरू हुआ");
    await sound("job-correct-phone-hi");
    await past.locator("button.big").click();
    await page.locator("tbody tr", { hasText: "19-11-2026 11:30" }).waitFor();
    await page.getByText("„आधे घंटे बाद शुरू हुआ“ — accountant one").waitFor();
    const open1 = page.locator("tbody tr", { hasText: "कटाई मशीन" }); // its card was never tapped out
    await open1.getByRole("button", { name: "सुधारें" }).click();
    await open1.getByLabel("कारण").fill("कार्ड लगाना भूल गए");
    await open1.locator("button.big").click();
    await page.getByText("कार्ड लगाना भूल गए").waitFor();
    await page.getByText("कार्ड दोबारा लगाने पर यह समय रुकेगा").waitFor({ state: "detached" });
    await page.locator('[data-form="cards"]').getByRole("button", { name: "काम से कार्ड हटाएँ" }).click();
    await page.getByRole("button", { name: "काम से कार्ड हटाएँ" }).waitFor({ state: "detached" });
    await sound("job-done-phone-hi");
    await open(desk, { token: "manager", lang: "en" });
    await go("#/job/E-17", "tbody tr");
    await page.getByText("entered machine time no longer counts").waitFor();
    await sound("job-en");

    await open(phone, { token: "viewer" });
    await page.goto(`${base}/#/job/E-17`);
    await page.getByText("अनुमति नहीं").waitFor();
    await open(phone, { token: "group" });
    await page.goto(`${base}/#/jobs`);
    await page.getByText("अभी कोई काम नहीं").waitFor(); // it is no group's job
    assert.equal(await page.locator("form").count(), 0, "people of a group enter nothing");
  },
  async "thresholds: what holds since when, set by hand, refused with the reason"() {
    await open(phone, { token: "technician" });
    await go("#/machine/cutting-1", ".chart");
    await page.getByRole("link", { name: "चालू–बंद की सीमाएँ" }).click();
    await page.locator(".histogram .axis text").first().waitFor();
    assert.equal(await page.locator("[data-settings]").count(), 1);
    assert.match(await page.locator("[data-settings]").innerText(), /साइट फ़ाइल से/);
    const run = page.getByLabel("काम पर, इससे ऊपर", { exact: false });
    const before = await run.inputValue();
    await run.fill("1");
    await page.getByRole("button", { name: "पक्का करें" }).click();
    await page.locator('[role="alert"].wrong', { hasText: "सीमा" }).waitFor();
    await run.fill(String(Number(before) + 10));
    assert.match(await page.locator("[data-effect]").innerText(), /चालू \d+\s%/);
    await page.getByRole("button", { name: "पक्का करें" }).click();
    await page.locator("[data-settings]").nth(1).waitFor();
    assert.match(await page.locator("[data-settings]").first().innerText(), /technician one ने पक्का किया/);
    await sound("thresholds-phone-hi");
    await page.locator("main select").first().selectOption("power_max");
    await page.locator(".histogram").waitFor();
    await open(desk, { token: "manager", lang: "en" });
    await go("#/thresholds/cutting-1", ".histogram");
    await sound("thresholds-en");
  },
  async "from a month's figure down to the readings"() {
    await open(phone);
    await go("#/figures", ".bars");
    await page.locator("details.meaning summary").click();
    assert.match(await page.locator("details.meaning").innerText(), /APT ÷ PBT/);
    await sound("figures-meaning-phone-hi");
    await page.getByRole("link", { name: "कटाई मशीन" }).click();
    await page.getByRole("button", { name: "19-11-2026" }).click();
    await page.locator(".dayshown", { hasText: "19-11-2026" }).waitFor();
    await page.locator("td button.linklike", { hasText: /^\d\d:\d\d:\d\d$/ }).last().click();
    await page.locator(".curve h2", { hasText: /\d\d:\d\d:\d\d – \d\d:\d\d:\d\d/ }).waitFor();
    await page.locator(".curve .chart").waitFor();
    await sound("readings-phone-hi");
    const file = await page.request.get(base + (await page.getByRole("link", { name: "सारी रीडिंग (CSV)" }).getAttribute("href")));
    assert.match(await file.text(), /^time,.*power \[W\].*quality\n2026-11-19T/);
    await page.getByRole("button", { name: "पूरा दिन" }).click();
    await page.locator(".curve h2", { hasText: /^चार्ट$/ }).waitFor();
  },
  async "a technician finds jobs and sessions, a viewer no bills"() {
    await open(phone, { token: "technician" });
    await go("#/live", ".card");
    await page.locator("nav").getByRole("link", { name: "काम", exact: true }).click();
    await page.locator("form.correct").waitFor();
    await page.getByRole("link", { name: "सत्र" }).click();
    await page.locator("[data-session]").first().waitFor();
    const all = await page.locator("[data-session]").count();
    await page.locator("main select").first().selectOption("cutting-1");
    await page.waitForFunction(() => [...document.querySelectorAll("[data-session]")].every((e) => e.dataset.session === "cutting-1"));
    assert.ok((await page.locator("[data-session]").count()) < all);
    await sound("sessions-technician-phone-hi");
    await page.getByRole("link", { name: "← काम" }).click();
    await page.locator("form.correct").waitFor();
    await open(phone, { token: "viewer" });
    await go("#/live", ".card");
    assert.equal(await page.locator("nav").getByText("हिसाब").count(), 0, "no tab that leads to a refusal");
  },
  async "a machine never heard is not called complete"() {
    await open(phone);
    await page.route("**/api/v1/sites/*/gaps?*", (route) => route.fulfill({ json: { gaps: [] } }));
    await page.route("**/api/v1/sites/*/machines", async (route) => {
      const got = await (await route.fetch()).json();
      Object.assign(got.machines.find((m) => m.id === "incomer").live, { why: "never", state: "unknown" });
      await route.fulfill({ json: got });
    });
    await go("#/gaps", '[data-gap="never"]');
    const text = await page.locator("main").innerText();
    assert.match(text, /अब तक कोई डेटा नहीं आया/);
    assert.ok(!text.includes("पूरी जानकारी मिली"), text);
  },
  async "utilisation: figures with coverage and reasons, in both languages"() {
    await open(phone);
    await go("#/figures", ".bars");
    const hammer = page.locator('[data-machine="hammer-1"]');
    assert.match(await hammer.innerText(), /100\s% जानकारी[\s\S]*उपलब्धता[\s\S]*32\s%[\s\S]*कैलेंडर के बाहर चालू[\s\S]*MTTR/);
    await sound("figures-phone-hi");
    await open(desk, { lang: "en" });
    await go("#/figures", ".bars");
    assert.match(await page.locator('[data-machine="cutting-1"]').innerText(), /MTBF, MTTR: No breakdown was recorded/);
    await sound("figures-en");
  },
  async "calendar: a closure is entered and taken out"() {
    await open(phone, { token: "manager" });
    await go("#/calendar", ".month");
    assert.match(await page.locator('[data-day="2026-11-14"]').innerText(), /छुट्टी[\s\S]*बाल मेला/);
    assert.match(await page.locator('[data-day="2026-11-16"]').innerText(), /09:00–\s*18:00/);
    await page.locator(".addstop summary").click();
    await page.getByLabel("पहला दिन").fill("2026-11-25");
    await page.getByLabel("आखिरी दिन").fill("2026-11-26");
    await page.locator(".addstop button.big").click();
    await page.getByText("नाम या कारण लिखें।").waitFor();
    await page.getByLabel("नाम या कारण").fill("बाढ़ का पानी");
    await page.locator(".addstop button.big").click();
    await page.locator('[data-day="2026-11-26"].k-closure').waitFor();
    await sound("calendar-phone-hi");
    await page.locator(".stop button").click();
    await page.locator('[data-day="2026-11-26"].k-work').waitFor();
    await open(desk, { lang: "en" });
    await go("#/calendar", ".month");
    assert.equal(await page.locator(".addstop").count(), 0, "a viewer enters nothing");
    await sound("calendar-en");
  },
  async "a breakdown is written down on the machine's page"() {
    await open(phone, { token: "technician" });
    await go("#/machine/cutting-1", ".bars");
    await page.getByText("खराबी दर्ज करें").click();
    await page.getByLabel("कब से खराब").fill("2026-11-20T12:00");
    await page.getByLabel("क्या खराब हुआ").fill("ब्लेड टूटा");
    await page.getByRole("button", { name: "दर्ज करें", exact: true }).click();
    await page.locator(".stop").getByText("अब भी खराब").waitFor();
    await page.getByText("खराबियाँ: 1").waitFor();
    await sound("breakdown-phone-hi");
    await page.getByRole("button", { name: "ठीक हो गई" }).click();
    await page.locator(".stop").getByText("अब भी खराब").waitFor({ state: "detached" });
  },
  async "live page in Hindi, then English"() {
    await open(desk);
    await go("#/live", ".card");
    assert.equal(await page.locator("html").getAttribute("lang"), "hi");
    assert.equal(await page.locator(".card").count(), 7);
    const furnace = page.locator('[data-machine="furnace-1"]');
    const text = await furnace.innerText();
    for (const word of ["चालू", "मफ़ल भट्ठी", "मीरा उत्पादक समूह", "13:20", "kW", "°C"]) assert.ok(text.includes(word), `card says ${word}: ${text}`);
    assert.match(await page.locator('[data-machine="polishing-2"]').innerText(), /20-11-2026 15:01 से डेटा नहीं आया/);
    assert.match(await page.locator('[data-machine="polishing-1"]').innerText(), /बिना कार्ड/);
    await page.locator(".dot.d-live").waitFor();
    await sound("live-hi");
    await page.getByRole("button", { name: "Switch to English" }).click();
    await page.locator('html[lang="en"]').waitFor({ state: "attached" });
    assert.match(await furnace.innerText(), /Running[\s\S]*Muffle furnace/);
    await page.reload();
    await page.getByText("Muffle furnace").waitFor();
    await sound("live-en");
  },
  async "a change of state arrives without loading the page again"() {
    await open(desk);
    await go("#/live", '[data-machine="hammer-1"][data-state="off"]');
    await page.locator(".dot.d-live").waitFor();
    await page.evaluate(() => { globalThis.sameDocument = true; });
    const before = await page.locator('.summary [data-state="run"] b').innerText();
    const answer = await fetch(`${base}/test/state?machine=hammer-1&state=run`, { method: "POST" });
    assert.equal(answer.status, 200);
    await page.locator('[data-machine="hammer-1"][data-state="run"]').waitFor();
    await page.waitForFunction(() => document.querySelector('[data-machine="hammer-1"] .power')?.textContent?.includes("kW"));
    assert.equal(await page.locator('.summary [data-state="run"] b').innerText(), String(Number(before) + 1));
    assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  },
  async "reports: month, machine, scheme, with files"() {
    await open(phone, { token: "accountant" });
    await go("#/reports", ".report td.n");
    assert.match(await page.locator(".report h2").first().innerText(), /मासिक रिपोर्ट, नवंबर 2026/);
    await sound("reports-month-phone");
    await page.locator(".report select").nth(2).selectOption("cutting-1");
    await page.getByText("कटाई मशीन", { exact: false }).and(page.locator("h2")).waitFor();
    await sound("reports-machine-phone");
    await open(desk, { token: "manager", lang: "en" });
    await go("#/reports", ".report td.n");
    await page.locator(".report select").first().selectOption("scheme");
    await page.getByRole("heading", { name: "Scheme report, November 2026" }).waitFor();
    await sound("reports-scheme");
    const href = await page.getByRole("link", { name: "Download PDF" }).getAttribute("href");
    const file = await page.request.get(`${base}${href}`);
    assert.equal(file.headers()["content-type"], "application/pdf");
    assert.equal((await file.body()).subarray(0, 5).toString(), "%PDF-");
    await open(phone, { token: "viewer" });
    await page.goto(`${base}/#/reports`);
    await page.getByText("अनुमति नहीं").waitFor();
  },
  async "reports of one kind after the other on a phone"() {
    await open(phone, { token: "manager" });
    for (const [name, hash] of [["scheme", "?kind=scheme"], ["meter", "?kind=meter"], ["furnace", "?machine=furnace-1"]]) {
      await go(`#/reports/2026-11${hash}`, ".report td.n");
      await sound(`reports-${name}-phone-hi`);
      const silent = await page.locator("tbody tr").filter({ hasText: /^\d\d-\d\d-\d{4}▾?(\s*–)+$/ }).count();
      assert.equal(silent, 0, "days of which nothing is known are no rows");
      const high = await page.evaluate(() => document.documentElement.scrollHeight);
      assert.ok(high < 5500, `${name}: ${high} px high`);
      for (const heading of await page.locator(".report h2").allInnerTexts()) assert.doesNotMatch(heading, /^[a-z.-]+$/, "a heading is words");
      assert.doesNotMatch(await page.locator("main").innerText(), /NaN|undefined|null|\{\d\}/);
    }
    // A day's row is folded to two figures; a tap shows the rest, its name leads to the day's states.
    const day = page.locator("tr", { has: page.getByRole("link", { name: "19-11-2026" }) }).first();
    assert.equal(await day.getByText("अज्ञात (घं)").count() + await day.locator("td:visible").count(), 2, "run and availability only");
    await day.getByRole("button").click();
    assert.ok(await day.locator("td:visible").count() > 8, "a tap shows all figures");
    await sound("reports-row-phone-hi");
    await day.getByRole("link").click();
    await page.locator(".dayshown", { hasText: "19-11-2026" }).waitFor();
    await page.locator("main h1", { hasText: "मफ़ल भट्ठी" }).waitFor();
    await go("#/reports/2026-11", ".report td.n");
    await page.getByRole("link", { name: "कटाई मशीन" }).first().click();
    await page.getByRole("heading", { name: "मशीन की मासिक रिपोर्ट, नवंबर 2026: कटाई मशीन" }).waitFor();
  },
  async "energy: what the machines drew, bands, balance, baseline"() {
    for (const [name, viewport, lang, word] of [["energy-phone-hi", phone, "hi", /मुख्य मीटर और मशीनें/], ["energy-en", desk, "en", /Main meter and machines/]]) {
      await open(viewport, { lang });
      await go("#/energy", ".usebars li");
      await page.locator("svg.cusum").waitFor();
      const text = await page.locator("main").innerText();
      assert.match(text, word);
      assert.match(text, /CEA v21\.0, Nov 2025/);
      await page.locator("main select").first().selectOption("2026-10");
      await page.getByText(lang === "hi" ? "इस समय किसी मशीन से डेटा नहीं आया।" : "No machine sent data in this time.").or(page.locator(".usebars li").first()).first().waitFor();
      await page.locator("main select").first().selectOption("2026-11");
      await page.locator("details.meaning summary").click();
      assert.equal(await page.locator(".usebars").first().locator("li").count(), 6);
      await sound(name);
    }
  },
  async "energy baseline by run-hours, kg and cold starts"() {
    for (const [name, viewport, lang, words] of [
      ["baseline-phone-hi", phone, "hi", ["1 चालू घंटा", "1 kg वज़न", "1 ठंडी शुरुआत"]], ["baseline-drivers-en", desk, "en", ["1 run-hour", "1 kg of weight", "1 cold start"]],
    ]) {
      await open(viewport, { lang, token: "manager" });
      await go("#/energy", "svg.cusum");
      const part = page.locator("section", { has: page.locator("svg.cusum") }).last();
      await part.locator("input[type=date]").nth(0).fill("2026-09-21");
      await part.locator("input[type=date]").nth(1).fill("2026-11-01");
      await part.getByText(/ 40 (days|दिन)/).waitFor(); // the answer for both dates
      // The made-up furnace takes 6 kWh a run-hour, 250 Wh a kg and 9 kWh a cold start.
      for (const [row, least, most] of [[words[0], 5.7, 6.3], [words[1], 0.22, 0.28], [words[2], 8, 10]]) {
        const cell = part.locator("tbody tr", { has: page.getByRole("rowheader", { name: row, exact: true }) }).locator("td").first();
        await cell.waitFor();
        const [, value, unit] = /([\d.]+)\s(k?Wh)/.exec(await cell.innerText()) ?? [];
        const kwh = unit === "Wh" ? value / 1000 : Number(value);
        assert.ok(kwh >= least && kwh <= most, `${row}: ${value} ${unit}`);
      }
      const box = await part.getByRole("checkbox").first().boundingBox();
      const word = await part.locator("fieldset label").first().boundingBox();
      assert.ok(Math.abs(box.y + box.height / 2 - word.y - word.height / 2) < 4, "a box stands beside its word");
      await sound(name);
      const file = await page.request.get(base + (await part.getByRole("link", { name: /CSV/ }).getAttribute("href")));
      assert.ok((await file.text()).includes(lang === "hi" ? "दिन,चालू घंटे,वज़न (kg),ठंडी शुरुआत" : "Day,Run-hours,Weight (kg),Cold starts"), "the table's headings are words");
    }
  },
  async "phone and wall"() {
    await open(phone);
    await go("#/live", ".card");
    await sound("live-phone");
    await go("#/machine/cutting-1", ".chart");
    await sound("machine-phone");
    await open({ width: 1920, height: 1080 });
    await go("?wall#/live", ".card");
    const size = await page.locator('[data-machine="furnace-1"] .power b').evaluate((e) => parseFloat(getComputedStyle(e).fontSize));
    assert.ok(size >= 56, `power is ${size} px high on the wall`);
    assert.ok(await page.locator('[data-machine="incomer"]').evaluate((e) => e.getBoundingClientRect().bottom <= innerHeight), "all seven cards fit a full-HD screen");
    await sound("wall");
  },
  async "gap ledger and quarantine"() {
    await open(phone, { token: "technician" });
    await go("#/gaps", ".gap");
    const text = await page.locator("main").innerText();
    for (const word of ["गेटवे की ख़बर नहीं", "अभी जारी", "नेटवर्क नहीं था", "बाद में भर गया", "सेंसर ने ख़राबी बताई: थर्मोकपल टूटा है या जुड़ा नहीं", "बिजली नहीं थी"]) assert.ok(text.includes(word), `ledger says ${word}: ${text}`);
    await sound("gaps-phone");
    await page.locator("main select").selectOption("furnace-1");
    await page.waitForFunction(() => document.querySelectorAll(".gap").length === 3);
    await page.getByRole("link", { name: "जो डेटा रखा नहीं जा सका" }).click();
    await page.locator('[data-reason="absurd-time"]').waitFor();
    await sound("quarantine-phone");
    await page.locator('[data-reason="absurd-time"] button').click();
    await page.getByText("की फिर से कोशिश हो रही है").waitFor();
    await open(desk, { token: "manager", lang: "en" });
    await go("#/gaps", ".gap");
    await sound("gaps-en");
    await go("#/quarantine", ".gap");
    await sound("quarantine-en");
    await go("#/machine/polishing-2", ".chart");
    await page.getByText("Gateway not heard").waitFor();
    await sound("machine-unknown-en");
  },
  async "sign-in by hand, wrong token first"() {
    await open(phone);
    await go("#/signin", "#token");
    await sound("signin-phone");
    await page.fill("#token", "not-a-token");
    await page.keyboard.press("Enter");
    await page.getByText("यह टोकन सही नहीं है").waitFor();
    await page.fill("#token", "test-token-of-viewer");
    await page.keyboard.press("Enter");
    await page.locator(".card").first().waitFor();
    await page.getByRole("button", { name: "साइन आउट" }).click();
    await page.getByRole("link", { name: "साइन इन" }).waitFor();
  },
  async "statements: made, added up, proved"() {
    await open(desk, { token: "accountant" });
    await go("#/statements", "button.big");
    await page.locator("button.big").click();
    await page.getByText("3 समूहों का हिसाब बन गया").waitFor();
    await page.locator("details summary").first().waitFor();
    await sound("statements-hi");
    await page.getByRole("link", { name: "पीतल कला स्वयं सहायता समूह" }).click();
    await page.locator("tr.line").first().waitFor({ state: "attached" });
    assert.match(await page.locator(".problems").innerText(), /दर तय नहीं/);
    const sum = await page.evaluate(() => {
      const paise = (e) => Math.round(Number(e.textContent.replace(/[₹,]/g, "")) * 100);
      const of = (q) => [...document.querySelectorAll(q)].map(paise).reduce((a, b) => a + b, 0);
      return { lines: of("tr.line .money"), machines: of("tr.subtotal .money"), total: of("tfoot .money") };
    });
    assert.ok(sum.total > 0);
    assert.equal(sum.lines, sum.total, "lines add up to the total");
    assert.equal(sum.machines, sum.total, "subtotals add up to the total");
    await page.locator(".fold").first().click();
    await page.locator(".evidencebutton:visible").first().click();
    const proof = page.locator(".evidence").first();
    assert.ok((await proof.locator("rect.bar").count()) >= 1, "a bar stands behind the line");
    assert.match(await proof.innerText(), /09:12:00[\s\S]*10:40:00/);
    await sound("statement-hi");
    const file = await page.context().request.get(base + (await page.getByRole("link", { name: "CSV" }).getAttribute("href")));
    assert.equal(file.headers()["content-type"], "text/csv; charset=utf-8");
    await page.setViewportSize(phone);
    await sound("statement-phone");
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.locator(".tabs").isVisible(), false, "paper carries no buttons");
    assert.equal(await page.locator("tr.line").last().isVisible(), true, "paper carries every line");
    if (shots) await page.pdf({ path: join(shots, "statement.pdf"), format: "A4" });
  },
  async "people of a group see their own statement only"() {
    await open(phone, { token: "group", lang: "en" });
    await go("#/live", "tbody tr");
    assert.equal(await page.locator("tbody tr").count(), 1);
    assert.equal(await page.locator(".card").count(), 0);
    await sound("group-phone");
  },
  async "the manager makes a code for a gateway"() {
    await open(phone, { token: "technician" });
    await go("#/live", ".gateways");
    assert.equal(await page.locator(".join").count(), 0, "managers only");
    await open(phone, { token: "manager", lang: "en" });
    await go("#/live", ".join");
    await page.getByText("Join a gateway").click();
    await page.getByLabel("Name of the gateway").fill("gw-9");
    await page.getByRole("button", { name: "Make a code" }).click();
    await page.locator(".joincode .code").waitFor();
    assert.match(await page.locator(".joincode .code").innerText(), /^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/);
    assert.match(await page.locator(".joincode").innerText(), /until \d\d-\d\d-\d{4} \d\d:\d\d[\s\S]*karkhana-gateway enrol --server http/);
    await sound("join-en");
    await page.getByRole("button", { name: "हिन्दी" }).or(page.locator("header button.plain").first()).first().click();
    await sound("join-hi");
  },
  async "an alarm is acknowledged and resolved"() {
    await open(phone, { token: "technician" });
    await go("#/alarms", ".alarm");
    await sound("alarms-phone");
    const alarm = page.locator('[data-alarm="2"]');
    await alarm.getByRole("button", { name: "मैंने देख लिया" }).click();
    await page.locator('.alarms-acknowledged [data-alarm="2"]').waitFor();
    await alarm.getByRole("button", { name: "ठीक कर दिया" }).click();
    await alarm.getByRole("button", { name: "सहेजें" }).click();
    await page.getByText("पहले लिखें कि क्या किया").waitFor();
    await alarm.locator("textarea").fill("बेयरिंग बदला");
    await alarm.getByRole("button", { name: "सहेजें" }).click();
    await page.locator('.alarms-resolved [data-alarm="2"]').waitFor();
    assert.match(await alarm.innerText(), /बेयरिंग बदला/);
    await page.setViewportSize(desk);
    await sound("alarms-hi");
    await open(desk, { lang: "en" });
    await go("#/alarms", ".alarm");
    assert.equal(await page.getByRole("button", { name: "I have seen it" }).count(), 0, "without sign-in nothing can be pressed");
    await sound("alarms-en");
  },
  async "an alarm is put aside and taken back"() {
    await open(phone, { token: "technician" });
    await go("#/alarms", ".alarm");
    const alarm = page.locator('[data-alarm="1"]');
    await alarm.getByRole("button", { name: "अभी अलग रखें" }).click();
    await alarm.locator("select").selectOption("8");
    await alarm.locator("textarea").fill("पुर्ज़ा मँगाया है");
    await alarm.getByRole("button", { name: "सहेजें" }).click();
    await alarm.getByText("पुर्ज़ा मँगाया है").waitFor();
    assert.match(await alarm.innerText(), /20-11-2026 23:\d\d तक अलग रखी/);
    await alarm.getByRole("button", { name: "वापस लें" }).click();
    await alarm.getByRole("button", { name: "अभी अलग रखें" }).waitFor();
  },
  async "what shakes, what is due, what ails a gateway"() {
    await open(phone, { token: "technician" });
    await go("#/machine/hammer-1", ".baselines .level");
    assert.equal(await page.locator(".level.over").count(), 2, "velocity and acceleration are over, kurtosis is not");
    await sound("baselines-phone");
    await go("#/alarms", ".service");
    assert.ok((await page.locator('[data-gateway="gw-1"]').innerText()).includes("gateway.yaml:14"));
    await page.locator('[data-gateway="gw-2"] [data-problem="offline"]').waitFor();
    const service = page.locator('[data-service="polishing-1.dust"]');
    assert.match(await service.innerText(), /समय निकल गया[\s\S]*50 में से 1\d\d घंटे/);
    await sound("maintenance-phone");
    await service.getByRole("button", { name: "कर दी" }).click();
    await service.locator("textarea").fill("जाली साफ़ की");
    await service.getByRole("button", { name: "सहेजें" }).click();
    await page.locator('details [data-service="polishing-1.dust"]').waitFor({ state: "attached" });
    await page.locator(".services details summary").click();
    assert.match(await service.innerText(), /technician one ने की: जाली साफ़ की/);
    await open(desk, { lang: "en" });
    await go("#/alarms", ".service");
    await sound("maintenance-en");
    await go("#/machine/hammer-1", ".baselines .level");
    await sound("baselines-en");
  },
  async "a lost connection is said, and comes back by itself"() {
    await open(desk);
    await go("#/live", ".card");
    await page.locator(".dot.d-live").waitFor();
    await server.stop();
    await page.locator(".banner", { hasText: "कनेक्शन टूट गया" }).waitFor();
    server = await serve(base.slice("http://".length));
    await page.locator(".dot.d-live").waitFor();
    assert.equal(await page.locator(".banner").count(), 0);
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  if (process.env.KARKHANA_STEPS && !new RegExp(process.env.KARKHANA_STEPS).test(name)) continue;
  const began = Date.now();
  try {
    await step();
    assert.deepEqual(complaints, []);
    console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (e) {
    failed++;
    console.error(`FAIL ${name}\n${e.stack}`);
    if (shots && page) await page.screenshot({ path: join(shots, "failure.png"), fullPage: true }).catch(() => {});
    complaints.length = 0;
  }
}
await browser.close();
await server.stop();
rmSync(work, { recursive: true, force: true });
console.log(`result: steps=${Object.keys(steps).length} failed=${failed} pages_checked=${checks}`);
process.exit(failed === 0 ? 0 : 1);
