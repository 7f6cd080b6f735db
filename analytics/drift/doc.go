// Package drift watches whether machines still fit the thresholds that people confirmed for them, and raises the alarm
// threshold-drift when one does not.
//
// It owns the daily histograms of the signals (measurement signal_day, derived and rebuildable) and the raising. What drift is, is package
// learn's; what is done about it is a person's: confirming new thresholds or the present ones ends the alarm (registry.ConfirmThresholds).
//
// Once a day, after 03:00 of the site, each machine whose state comes from thresholds is judged by its newest working days against
// the days of its thresholds: those the person saw when confirming, else the first ones that they were in force. An alarm is raised
// once; one that a person closed without confirming anything is raised again after 30 days at the earliest.
package drift
