// Package session says which producer group held which machine, and from when to when.
//
// It owns: turning card taps and states into sessions. It does not own: money (package billing), states (package
// state), who holds which card (registry).
//
// The rules:
//
//   - A tap on a free machine opens a session.
//
//   - The same card again closes it at the tap (reason tap).
//
//   - Another card takes over: it closes the session and opens its own at the same instant (reason takeover).
//
//   - A tap of the same card within five seconds of the previous tap is a bounce and does not count, also when the
//     card lies on the reader and is read for minutes.
//
//   - A forgotten tap-out: once the machine has been without load (off or unknown) for longer than two hours, the
//     session ended at the end of its last load, that is of its last run or idle piece, or at its start when there
//     was none (reason forgotten). A night is always longer than that, so no card of yesterday pays for today.
//
//   - A card that belongs to nobody opens a session without group: its run time is unattributed and shown with the
//     card's hash.
//
//   - A session that none of these has ended is open: its EndMs is 0.
//
//   - A card for training gives training sessions, which are not billed.
//
//   - A job card does the same for jobs, beside the sessions of groups.
//
// Corrections of people lie on top of the derived sessions (Apply); everybody reads them with Read. A voided tap is
// left out of the fold itself.
//
// Time comes from taps and states only, never from a clock: sessions are a pure function of what is stored, whatever
// the order and however often it arrived.
package session
