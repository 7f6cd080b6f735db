// Package calendar tells when a machine is meant to work: from the rules of a site (weeks of shifts with breaks, planned
// stops, dated, per site and per machine) and a range it makes stretches that tile the range.
//
// It is pure: no clock, no store. It owns the local times (shifts across midnight, days of 23 and 25 hours) and what
// counts as planned. It does not own what is made of it (package utilisation) nor the checking of what people write
// (package sitefile): given rules that overlap, it still tiles, the earlier shift first.
//
// Times of ISO 22400-2 (domain page §3):
//
//   - POT, planned operation time: the centre is open, that is every shift, but for holidays.
//   - PBT, planned busy time: POT without planned down time, that is without breaks, closures and planned maintenance.
//
// Where no week is in force there is no calendar: all of that time counts as PBT, but for planned stops, and its
// stretches say so (KindNone).
package calendar
