// Browser test of the gateway's own page (firmware-gateway/page): the real binary with simulated machines and no server, on
// a phone of 360 px, in Hindi. KARKHANA_SHOTS=folder keeps a picture of every page.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const root = join(import.meta.dirname, "../../..");
const work = mkdtempSync(join(tmpdir(), "karkhana-page-"));
const shots = process.env.KARKHANA_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const axe = readFileSync(join(import.meta.dirname, "../node_modules/axe-core/axe.min.js"), "utf8");

const binary = join(work, "karkhana-gateway");
if (spawnSync("go", ["build", "-o", binary, "./firmware-gateway"], { cwd: root, stdio: "inherit" }).status !== 0) process.exit(1);

const config = join(work, "gateway.yaml");
const sim = (kind) => `  - {id: ${kind}-1, source: sim, sim: {seed: 7, epoch: 2026-10-23T00:00:00Z, kind: ${kind}}}\n`;
writeFileSync(join(work, "key"), "k");
writeFileSync(config, `site: jodhpur-cfc
gateway: gw-1
broker: mqtt://127.0.0.1:1
key_file: key
card_salt_file: key
clock: trusted
data: data
page: {listen: 127.0.0.1:0}
machines:
${["furnace", "cutting", "polishing"].map(sim).join("")}  - id: lathe-1
    source: sensors
    sensors:
      - {meter: sdm120, line: {url: "tcp://127.0.0.1:1"}, unit: 1, timeout: 200ms, quantities: [power, energy]}
`);

/** Starts the gateway and gives the address of its page. */
const child = spawn(binary, ["run", "--config", config], { stdio: ["ignore", "ignore", "pipe"] });
const ended = new Promise((done) => child.once("exit", done));
const base = await new Promise((done, fail) => {
  createInterface({ input: child.stderr }).on("line", (l) => {
    const at = /local page is served.*address=(\S+)/.exec(l);
    if (at) done(at[1]);
  });
  child.once("exit", (code) => fail(new Error(`the gateway ended with ${code}`)));
});
const pin = spawnSync(binary, ["pin", "--config", config]).stdout.toString().trim();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];
const context = await browser.newContext({ viewport: { width: 360, height: 740 }, bypassCSP: true });
const page = await context.newPage();
page.setDefaultTimeout(60_000);
page.on("pageerror", (e) => complaints.push(`page error: ${e.message}`));
page.on("console", (m) => m.type() === "error" && !/status of 4\d\d/.test(m.text()) && complaints.push(`console: ${m.text()}`));

/** No serious accessibility fault, no sideways scrolling, no complaint of the browser. */
async function sound(name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${name}: scrolls sideways by ${wide} px`);
  await page.evaluate(axe);
  const faults = await page.evaluate(async () => (await globalThis.axe.run()).violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).slice(0, 3).join(" | ")}`));
  assert.deepEqual(faults, [], `${name}: accessibility`);
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  assert.deepEqual(complaints, [], name);
}

let failed = false;
try {
  await page.goto(base);
  assert.equal(await page.locator("html").getAttribute("lang"), "hi");
  await page.locator('[data-machine="lathe-1"] .f').first().waitFor();
  // The page looks again by itself: the meter's first timeout comes seconds after the first temperature.
  for (const word of ["नहीं जुड़ा", "तापमान", "°C", "भेजने बाक़ी", "मीटर जवाब नहीं दे रहा"]) {
    await page.locator("main").filter({ hasText: word }).waitFor();
  }
  const packs = () => page.locator("dd").first().innerText().then((t) => parseInt(t, 10));
  const before = await packs();
  await page.waitForFunction((n) => parseInt(document.querySelector("dd").innerText, 10) > n, before); // by itself
  if (shots) await page.waitForTimeout(22_000);
  await sound("gateway-live-hi");

  await page.getByRole("link", { name: "सेटअप" }).click();
  await page.locator("#pin").fill("00000000");
  await page.getByRole("button", { name: "खोलें" }).click();
  await page.getByText("यह पिन सही नहीं है").waitFor();
  await sound("gateway-pin-hi");
  await page.locator("#pin").fill(pin);
  await page.getByRole("button", { name: "खोलें" }).click();
  await page.getByRole("heading", { name: "सेटअप" }).waitFor();
  await sound("gateway-setup-hi");

  await page.getByRole("link", { name: "क्या-क्या जुड़ा है" }).click();
  await page.getByRole("button", { name: "अभी खोजें" }).click();
  await page.getByText("lathe-1 के लिए पढ़ा जा रहा है").waitFor();
  await sound("gateway-scan-hi");
  await page.getByRole("link", { name: "वापस" }).click();
  await page.getByRole("link", { name: "सेंसर जाँच" }).click();
  await page.getByRole("button", { name: "अभी जाँचें" }).click();
  const found = page.getByText("1 सेंसर पर ध्यान दें");
  await page.locator(".busy").or(found).first().waitFor(); // the test may be over before a busy computer shows that it runs
  await found.waitFor();
  await sound("gateway-test-hi");

  // A new machine: a kit, a unit that is taken, then a free one on a port that is given.
  await page.getByRole("link", { name: "वापस" }).click();
  await page.locator("#id").fill("saw-1");
  await page.locator("#kit").selectOption("cutting");
  await page.getByRole("button", { name: "आगे" }).click();
  await page.locator('[id="meter.unit"]').waitFor();
  await page.waitForFunction(() => document.querySelector(".pic img").scrollIntoView() ?? document.querySelector(".pic img").naturalWidth > 0);
  await sound("gateway-machine-hi");
  const was = readFileSync(config, "utf8");
  await page.locator('[id="meter.unit"]').fill("300");
  await page.getByRole("button", { name: "सहेजें" }).click();
  await page.locator(".why").first().waitFor();
  await sound("gateway-machine-wrong-hi");
  assert.equal(readFileSync(config, "utf8"), was, "a bad choice changes nothing");
  await page.locator('[id="meter.unit"]').fill("7");
  await page.locator('[id="reader.fitted"], [name="reader.fitted"]').uncheck();
  await page.locator('[id="port.rs485-1"]').fill("tcp://127.0.0.1:2");
  await page.getByRole("button", { name: "सहेजें" }).click();
  await page.getByText("सहेज लिया").waitFor();
  await sound("gateway-machine-saved-hi");
  await page.getByRole("link", { name: "अभी", exact: true }).click();
  await page.locator('[data-machine="saw-1"] .f').first().waitFor();
  await page.goto(`${base}/setup/test`);

  await page.getByRole("link", { name: "English" }).click();
  await page.getByText("1 sensors need attention").waitFor();
  await sound("gateway-test-en");
  await page.getByRole("link", { name: "Now" }).click();
  await page.getByText("Not connected to the server").waitFor();
  await sound("gateway-live-en");
  await page.getByRole("button", { name: "Lock" }).click();
  await page.goto(`${base}/setup`);
  await page.locator("#pin").waitFor();

  const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 740 } });
  const still = await plain.newPage();
  await still.goto(base);
  assert.match(await still.locator("main").innerText(), /तापमान/, "reads without a script");
  console.log("e2e: the gateway's page: 11 pages seen, sound");
} catch (e) {
  failed = true;
  console.error(e);
  await page.screenshot({ path: join(shots ?? tmpdir(), "gateway-failed.png"), fullPage: true }).catch(() => {});
} finally {
  await browser.close();
  child.kill("SIGTERM");
  await ended;
  rmSync(work, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
