import { describe, expect, it } from "vitest";
import * as f from "../src/format";

const zone = "Asia/Kolkata";
const en: f.DurationUnits = { day: "d", hour: "h", minute: "min", second: "s" };
const plain = (s: string) => s.replaceAll("\u00a0", " ");

describe("numbers", () => {
  it("groups the Indian way, with Latin digits", () => expect(f.number(12345678.5, 1)).toBe("1,23,45,678.5"));
  it.each([[0, "₹0.00"], [5, "₹0.05"], [3750, "₹37.50"], [12345678, "₹1,23,456.78"], [-150, "−₹1.50"], [900719925474099, "₹90,07,19,92,54,740.99"]])(
    "%i paise is %s", (p, want) => expect(f.rupees(p as number)).toBe(want));
  it.each([[2.4, "2 W"], [999.4, "999 W"], [999.6, "1.00 kW"], [4820, "4.82 kW"], [48_200, "48.2 kW"], [482_000, "482 kW"], [0, "0 W"]])(
    "%d watts are %s", (w, want) => expect(plain(f.joined(f.power(w as number)))).toBe(want));
  it("keeps three figures of energy", () => expect(plain(f.joined(f.energy(63_073.482)))).toBe("63.1 kWh"));
  it("shows what is not defined as a dash", () => expect(f.percent(undefined)).toBe("–"));
});

describe("durations", () => {
  it.each([[-1, "0 s"], [59.4, "59 s"], [60, "1 min"], [65, "1 min 5 s"], [600, "10 min"], [3600, "1 h"], [12_000, "3 h 20 min"], [172_800, "2 d"], [200_000, "2 d 7 h"]])(
    "%d s is %s", (s, want) => expect(plain(f.duration(s as number, en))).toBe(want));
  it("never says days on a bill", () => expect(plain(f.duration(200_000, en, false))).toBe("55 h 33 min"));
});

describe("times of the site, not of the browser", () => {
  const at = Date.parse("2026-11-20T18:45:07Z");
  it("shows clock and date", () => {
    expect(f.clockSeconds(at, zone)).toBe("00:15:07");
    expect(f.date(at, zone)).toBe("21-11-2026");
    expect(f.isoDay(at, zone)).toBe("2026-11-21");
  });
  it("finds local midnight", () => {
    expect(new Date(f.midnight("2026-11-21", zone)).toISOString()).toBe("2026-11-20T18:30:00.000Z");
    expect(new Date(f.midnight("2026-03-29", "Europe/Berlin")).toISOString()).toBe("2026-03-28T23:00:00.000Z");
    expect(new Date(f.midnight("2026-03-30", "Europe/Berlin")).toISOString()).toBe("2026-03-29T22:00:00.000Z");
  });
  it("walks days and months", () => {
    expect(f.shiftDay("2026-02-28", 1)).toBe("2026-03-01");
    expect(f.monthDays("2026-12")).toEqual({ first: "2026-12-01", next: "2027-01-01" });
    expect(f.lastMonths(Date.parse("2026-01-31T20:00:00Z"), zone, 3)).toEqual(["2026-02", "2026-01", "2025-12"]);
  });
  it("names months in both languages", () => {
    expect(f.monthName("2026-11", "en")).toBe("November 2026");
    expect(f.monthName("2026-11", "hi")).toContain("2026");
  });
});
