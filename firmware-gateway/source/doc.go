// Package source holds what a machine's samples can come from: recordings (replay) and simulated machines (sim).
//
// It owns reading them, converting to wire units and the positions at which they go on after a restart. It does not
// own windows, packs or rates (package sampler).
package source
