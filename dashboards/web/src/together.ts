// Gaps of several machines that are one happening.
import type { Schemas } from "./api";

type Gap = Schemas["Gap"];
export type Same = [Gap, ...Gap[]];

const near = (a: string | undefined, b: string | undefined) => Math.abs(Date.parse(a ?? "") - Date.parse(b ?? "")) < 60_000;

const alike = (a: Gap, b: Gap) =>
  a.machine !== b.machine && a.cause === b.cause && a.evidence === b.evidence && a.fault === b.fault && a.open === b.open &&
  (a.cause === "supply" || a.gateway === b.gateway) && near(a.start, b.start) && (a.open || near(a.end, b.end)) && (a.filled ? near(a.filled, b.filled) : !b.filled);

/** Machines that were silent for the same reason, beginning and ending within a minute of each other, stand together. */
export function together(rows: readonly Gap[]): Same[] {
  const groups: Same[] = [];
  for (const g of rows) {
    const group = groups.find((s) => s.every((x) => alike(x, g)));
    if (group) group.push(g);
    else groups.push([g]);
  }
  return groups;
}
