// Package analytics keeps states and hours in the store equal to the fold of the stored samples.
//
// It owns reading samples, writing pieces, hours and checkpoints, and deciding from where to where a machine is folded
// again. What samples mean is package fold's; the stored form is package timeline's.
//
// Ingest notes in the registry which stretch of which machine holds new samples (registry.Touched). Once a second the service
// claims each such stretch of the sites that it holds (package lease). What is touched while a claim is built waits apart from
// it, so that a backlog that pours in is folded about once. Machines that simply go on are read, folded and written
// together, and so are those that were last folded a short while ago by another process: a few requests for hundreds of
// machines. For a claim:
//
//   - Newer than everything folded so far: the fold in memory goes on with the new samples.
//   - Else (late data, a restart, changed rules): the fold starts at the last checkpoint before the stretch, reads the samples
//     from there on and stops past the stretch as soon as a checkpoint equals the stored one, else at the newest sample.
//
// Both ways the store ends up with the same content as one fold of all samples in order; the fold in memory only saves
// time. Readers see the pieces replaced in place, oldest first. Pieces that are no longer there are overwritten with state
// void, because nothing is ever deleted.
//
// A rebuild of a day or more reads copies of hours (hours.go) where they hold what the store's samples add up to, and makes them of
// the hours that it had to read. Samples are the truth; copies need no upkeep and can be lost.
//
// Killing the service at any moment is safe: a stretch leaves the list only when all is written, and a rebuild
// writes its checkpoints last and newest first, so that a stored checkpoint always promises that everything
// stored after it was made from it. After an error or a start a stretch is built twice, a second apart: a write that was given up when
// the store stood still may be executed after the next one.
//
// Followers (sessions, gaps) hear of a build before its stretch leaves the list. With many machines those of a machine that
// simply goes on hear later, by turns; what is owed to them is stored with the stretch's end and taken up by whoever
// holds the site.
//
// A process that lost a site (it was stopped, its lease ran out) finds out before its next write; what it may have written
// in between it touches, so that the new holder builds that stretch once more. Its claims can't be taken off the list by
// it: the registry compares the holder.
package analytics
