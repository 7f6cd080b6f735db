import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api";
import { together } from "../src/together";

const gap = (machine: string, start: string, end: string, more: Partial<Schemas["Gap"]> = {}): Schemas["Gap"] => ({
  machine, gateway: "gw-1", start: `2026-11-22T${start}Z`, end: `2026-11-22T${end}Z`, duration_s: 1, open: false, cause: "gateway", evidence: "together", ...more,
});
const shown = (...rows: Schemas["Gap"][]) => together(rows).map((s) => s.map((g) => g.machine).join());

describe("gaps together", () => {
  it("joins what began and ended within a minute, whatever the minute of the clock", () =>
    expect(shown(gap("a", "10:05:59", "10:20:00"), gap("b", "10:06:02", "10:20:30"))).toEqual(["a,b"]));
  it("keeps apart what ended apart", () => expect(shown(gap("a", "10:05:00", "10:20:00"), gap("b", "10:05:00", "10:22:00"))).toEqual(["a", "b"]));
  it("joins open ones whenever they were asked for", () =>
    expect(shown(gap("a", "10:05:00", "11:00:00", { open: true }), gap("b", "10:05:00", "11:02:00", { open: true }))).toEqual(["a,b"]));
  it("keeps gateways apart but for a power cut", () => {
    expect(shown(gap("a", "10:05:00", "10:20:00"), gap("b", "10:05:00", "10:20:00", { gateway: "gw-2" }))).toEqual(["a", "b"]);
    const supply = { cause: "supply", evidence: "site" } as const;
    expect(shown(gap("a", "10:05:00", "10:20:00", supply), gap("b", "10:05:00", "10:20:00", { ...supply, gateway: "gw-2" }))).toEqual(["a,b"]);
  });
  it("names a machine once", () => expect(shown(gap("a", "10:05:00", "10:05:10"), gap("a", "10:05:20", "10:05:40"))).toEqual(["a", "a"]));
});
