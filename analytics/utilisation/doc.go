// Package utilisation counts how long a machine was in which state in an hour, a shift, a day, a month or a year of the
// site, with what energy, holds that against the calendar, and makes the figures of ISO 22400-2 of it, each beside its
// coverage and with a reason where it is not given.
//
// It owns periods and figures. It does not own states (package fold), sessions (package session) nor planned time
// (package calendar).
//
// Times of ISO 22400-2, per machine and period up to the present (codes of the standard):
//
//   - POT, planned operation time, and PBT, planned busy time: see package calendar. Without a calendar the whole period
//     counts, and says so.
//   - APT, actual production time: state run within PBT.
//   - AUBT, actual unit busy time: sessions and run time without a session, within PBT.
//   - FE, failure events: breakdowns written down by a technician that began in the period.
//
// Figures, each a quotient of two of these and nothing else:
//
//   - availability = APT ÷ PBT
//   - utilization efficiency = APT ÷ AUBT
//   - allocation efficiency = AUBT ÷ PBT, so that availability = allocation efficiency × utilization efficiency
//   - MTBF = AUBT ÷ FE; MTTR = time under repair within PBT ÷ FE; sources differ on FE + 1, so FE is always given beside them
//   - capacity ratio = all run time, in and out of the calendar, ÷ the schemes' hours (300 days × 8 h = 2400 h a year,
//     dated in the site file) for what has passed of the period. It is no figure of ISO 22400.
//
// What runs outside of PBT is counted apart (OutsideRunMs) and never clamped. Unknown time stays in PBT and is in no
// other time; coverage says how much of PBT is known, and below the site's limit (80 %) figures are hidden. A denominator
// of 0 gives no figure.
//
// Totals come from stored hours. An hour that a calendar, a session or a shift cuts is counted from its pieces of state,
// exactly; only its energy is then shared out by time within a piece, and marked so.
package utilisation
