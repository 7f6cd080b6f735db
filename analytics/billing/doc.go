// Package billing makes the draft statement of a producer group for one month.
//
// It owns: lines, amounts, totals, what is left unattributed, the check that both together are the machine's run
// time. It does not own: sessions (package session), states (packages state and timeline), issued documents, tax.
//
// How a line comes about (domain facts §1.3 and §1.6):
//
//   - One line for each session and month: a session over the edge of a month is cut there and each part is billed
//     in its month. At a change of tariff the line is cut too. Months are those of the site's zone.
//   - Only time in state run is billed. Idle, off and unknown time is shown beside it; unknown time is never billed.
//   - Run time is exact in milliseconds; whole seconds are billed. A line bills halfUp(R(to)) − halfUp(R(from)), where
//     R(t) is the session's run time from its start to t in seconds. A session in one line is thus rounded half-up
//     once, and the parts of a cut session add up to the whole session, to the second.
//   - Amount = halfUp(run seconds × paise per run-hour / 3600), one rounding per line, in integers. The total is the
//     sum of the lines.
//   - No tariff for the class on that day: the line is listed with amount 0 and the problem no-tariff, and the
//     statement carries the problem too. It is never silently free.
//   - An open session is billed as far as data goes, and flagged.
//   - Sessions are read with their corrections on top (package session); a line names those that made it. A correction
//     that no longer fits what the taps say is a problem of the statement of its groups.
//   - Run time that a gateway measured without a time is held back: it stands beside the line with the bounds between which
//     it was, and is not billed until a person confirms the times.
//   - Training sessions are listed apart: no tariff, no amount, in no total.
//
// Everything here is a draft: making it again from the same stored data gives the same bytes, late data changes it, and then it is made anew by itself (Drafts).
package billing
