// Package sampler reads one machine's source at its rate, makes windows of the readings and puts them into packs.
//
// It owns when a machine is read, what a window keeps of it, and how long a sample may wait in a pack. It does not
// own the sources (package source), nor what becomes of a pack (spool, uplink). Samples are stamped once, by the
// source, and never again. A failed reading gives no value.
//
// A machine whose report interval is longer than its sampling interval sends one sample per window: the mean of the
// readings, stamped with the window's start because that is from when on it holds; registers send their last reading
// with its own time; power also sends its smallest and largest reading. Card taps and changes of the supply pass at
// once.
package sampler
