// Package feature turns a window of acceleration into the few numbers that are sent: vibration velocity, acceleration,
// crest factor and kurtosis. A window of 3 × 8192 samples becomes four samples on the wire.
//
// The functions are pure. An input that gives no sound number (NaN, infinite, too short, a stuck sensor) gives an
// error, never a number.
//
//	velocity      RMS from 10 to 1000 Hz in m/s, of the axis where it is highest (ISO 10816, 20816)
//	acceleration  RMS about the mean and slope of the window in m/s², of the axis where it is highest
//	crest         greatest |a| ÷ RMS of that same axis; a sine has 1.414, sound machines 2 to 4
//	kurtosis      fourth moment ÷ square of the second of that same axis; NOT reduced by 3: a sine has 1.5, noise 3
//
// Crest factor and kurtosis rise early in the life of a damage and fall again late in it. Presses and hammers have high
// ones by nature. See docs/vibration.md for what these numbers can and can't tell apart.
package feature
