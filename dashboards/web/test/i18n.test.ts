// Every word stands in both languages, is used somewhere, and keeps its placeholders.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "../i18n/en.json";
import hi from "../i18n/hi.json";
import { wordsOf, type Key } from "../src/i18n";

const sources = (function read(dir: string): string {
  return readdirSync(dir, { withFileTypes: true })
    .map((e) => (e.isDirectory() ? (e.name === "generated" ? "" : read(join(dir, e.name))) : readFileSync(join(dir, e.name), "utf8")))
    .join("\n");
})(join(import.meta.dirname, "../src"));
const keys = Object.keys(en) as Key[];
const holes = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

describe("words", () => {
  it("has the same keys in both languages", () => expect(Object.keys(hi).sort()).toEqual([...keys].sort()));
  it("uses every key", () => expect(keys.filter((k) => !sources.includes(`"${k}"`))).toEqual([]));
  it("names no key that is not there", () => {
    const used = [...sources.matchAll(/\bt\(\s*"([^"]+)"/g)].map((m) => m[1] ?? "");
    expect(used.filter((k) => !(k in en))).toEqual([]);
  });
  it("keeps the placeholders", () => {
    for (const k of keys) expect([k, holes(hi[k])]).toEqual([k, holes(en[k])]);
  });
  it("writes Hindi in Devanagari with Latin digits", () => {
    for (const k of keys) {
      if (k === "lang.other" || k === "lang.switch" || k === "al.by" || k === "al.value") continue;
      expect(hi[k], k).toMatch(/[\u0900-\u097f]/);
      expect(hi[k], k).not.toMatch(/[\u0966-\u096f]/);
    }
  });
  it("fills values in and falls back for names", () => {
    const w = wordsOf("hi");
    expect(w.t("st.times", { n: 3 })).toBe("3 बार");
    expect(w.name({ hi: "", en: "Lathe" }, "x")).toBe("Lathe");
    expect(w.name(undefined, "x")).toBe("x");
  });
});
