// Package learn suggests the thresholds of a machine from its history.
//
// It owns the histogram of a machine's signal, the finding of classes in it, and refusals. It does not
// decide: a person confirms a suggestion, which becomes a dated row of settings.
//
// A suggestion is refused rather than guessed: when the stretch is short, when a state does not occur in it, when classes
// run into each other. The limits are those of domain practice: the centres of two classes lie at least three times their
// spread apart, and each class has at least 2 % of the time.
package learn
