// Package utilisation counts how long a machine was in which state in an hour, a day or a month of the site, with what
// energy, and makes the figures of ISO 22400-2 of it, each beside its coverage.
//
// It owns periods and figures. It does not own states (package fold) nor sessions (package session).
//
// Times of ISO 22400-2, per machine and period (codes of the standard):
//
//   - PBT, planned busy time: the whole period so far. There is no calendar yet, so nothing is planned down time.
//   - APT, actual production time: state run.
//   - AUBT, actual unit busy time: time within sessions, and run time outside of any session.
//
// Figures:
//
//   - availability = APT ÷ PBT
//   - utilization efficiency = APT ÷ AUBT
//   - allocation efficiency = AUBT ÷ PBT
//
// so that availability = allocation efficiency × utilization efficiency. A figure whose denominator is 0 is not defined. Unknown
// time stays in PBT and is in no other time; coverage says how much of PBT is known, and below 80 % no figure is given.
package utilisation
