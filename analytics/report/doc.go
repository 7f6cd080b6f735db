// Package report makes the papers that a manager closes a month with and a scheme officer reads: the month of a site, the
// month of one machine, and the scheme report (hours, groups, shares of women, SC and ST members, utilisation by both
// denominators). Make gathers the figures, Report.Page puts them into words, and the page goes out as JSON, CSV or PDF.
//
// It owns no figure: times and indicators are package utilisation's, group hours and amounts package billing's, causes of
// unknown time package gap's. What it adds are sums, the shares of members, and what must stand beside figures: coverage,
// what is not known and why, the settings and prices they were made with, and their definitions.
//
// A month that is over, with the same data, gives the same bytes whenever it is asked for.
package report
