// Package spool is the gateway's disk queue: packs wait in it until ingest has proved that they are stored.
//
// It owns the files, the sequence numbers and the receipts. It does not know what a pack says, nor how it is sent. The
// file formats, and the figures behind them, stand in FORMAT.md beside this file.
//
// What it promises:
//
//   - What was handed over before the last Sync survives a power cut: closed packs, and the notes of packs that are
//     still open.
//   - A sequence number never names two different packs, whatever crashes: a record is given out for sending only
//     after fsync, and every opening starts behind all numbers that can have been given out before.
//   - Flash is spared: a second of samples costs one or two sectors in the journal; packs go to a segment only when
//     no receipt has come for many of them, compressed.
//   - Memory does not grow with the queue: a segment costs a few words and one bit for each of its packs.
//   - A torn tail is cut, a damaged record is stepped over, an unreadable file is moved aside. All are counted and
//     none of them stops the queue.
//   - The disk is bounded: past MaxBytes the oldest raw samples go first. What the owner calls precious (card taps,
//     registers) is kept of them until it fills half of the disk's share itself.
//   - Receipts survive a restart; a power cut forgets those of its last second, whose packs are sent once more.
package spool
