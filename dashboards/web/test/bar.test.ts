import { describe, expect, it } from "vitest";
import { place, push, sums, upTo, type Piece } from "../src/bar";
import { ticks } from "../src/parts/charts";
import { address } from "../src/api";
import { parse } from "../src/route";

const day: Piece[] = [{ state: "off", from: 0, to: 400 }, { state: "run", from: 400, to: 600 }];

describe("bar of states", () => {
  it("cuts to the range and places as shares", () => {
    expect(place(day, 200, 1200)).toEqual([{ state: "off", x: 0, width: 0.2 }, { state: "run", x: 0.2, width: 0.2 }]);
  });
  it("joins neighbours of one state", () => {
    expect(place([...day, { state: "run", from: 600, to: 1000 }], 0, 1000)).toHaveLength(2);
  });
  it("draws nothing of an empty range", () => expect(place(day, 5, 5)).toEqual([]));
  it("sums seconds", () => expect(sums(day)).toEqual({ off: 0.4, run: 0.2, idle: 0, unknown: 0 }));
});

describe("drawing on from live values", () => {
  it("lets the last piece grow", () => expect(upTo(day, "run", 400, 900)[1]).toEqual({ state: "run", from: 400, to: 900 }));
  it("puts a new state behind, from its begin", () => {
    expect(upTo(day, "idle", 550, 900)).toEqual([day[0], { state: "run", from: 400, to: 550 }, { state: "idle", from: 550, to: 900 }]);
  });
  it("turns unknown when data stopped", () => expect(upTo(day, "unknown", 600, 900)[2]).toEqual({ state: "unknown", from: 600, to: 900 }));
  it("never paints before the last piece began", () => expect(upTo(day, "idle", 100, 900)).toEqual([day[0], { state: "idle", from: 400, to: 900 }]));
  it("leaves what it was given alone", () => {
    upTo(day, "off", 500, 900);
    expect(day[1]).toEqual({ state: "run", from: 400, to: 600 });
  });
});

describe("spark slots", () => {
  it("writes into the present minute", () => expect(push([1, null, 3], 0, 60, 130, 9)).toEqual({ from: 0, slots: [1, null, 9] }));
  it("moves on, leaving gaps empty", () => expect(push([1, 2, 3], 0, 60, 245, 9)).toEqual({ from: 120, slots: [3, null, 9] }));
  it("starts anew after a long pause", () => expect(push([1, 2, 3], 0, 60, 6000, 9)).toEqual({ from: 5880, slots: [null, null, 9] }));
});

describe("small things", () => {
  it("takes round ticks", () => expect(ticks(0, 3400, 5)).toEqual([0, 1000, 2000, 3000]));
  it("fills paths and puts the rest into the query", () => {
    expect(address("/sites/{site}/x", { site: "a b", from: "2026-11-01T00:00:00+05:30", no: undefined })).toBe("/sites/a%20b/x?from=2026-11-01T00%3A00%3A00%2B05%3A30");
  });
  it("reads addresses", () => {
    expect(parse("#/machine/furnace-1")).toMatchObject({ page: "machine", id: "furnace-1" });
    expect(parse("").page).toBe("live");
    expect(parse("#/signin?token=abc").query.get("token")).toBe("abc");
  });
});
