// Package service tells which preventive maintenance of a machine is due, by its run-hours or by the calendar.
//
// It owns: which tasks a machine has (those of the kit of its class, changed by the site file), and how far each is used
// up. It does not own: run-hours (machine_hour), the record of what was done (registry), pages.
//
// Run-hours are those that are known. Hours of which nothing is known are told beside them and never counted as run: a
// machine whose gateway was out for a week may be nearer to its service than the figure says, and the page says so.
package service
