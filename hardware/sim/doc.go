// Package sim simulates the machines of a common facility centre as physics with people working at them.
package sim
