// Package spool is the gateway's disk queue: packs wait in it until ingest has proved that they are stored.
//
// It owns the segment files, the sequence numbers and the receipts. It does not know what a pack says, nor how it
// is sent. The file format stands in FORMAT.md beside this file.
//
// What it promises:
//
//   - A sequence number never names two different packs, whatever crashes: a record is given out for sending only
//     after fsync, and every opening starts behind all numbers that can have been given out before.
//   - Memory does not grow with the queue: a segment costs a few words and one bit for each of its packs.
//   - A torn tail is cut, a damaged record is stepped over, an unreadable file is moved aside. All are counted and
//     none of them stops the queue.
//   - The disk is bounded: past MaxBytes the oldest segment goes.
//
// Receipts are not kept on disk. After a restart packs of a partly receipted segment are sent again, which the
// identity rule makes harmless (a pack's bytes never change).
package spool
