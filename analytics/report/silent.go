package report

import (
	"strings"
	"time"
)

// silent are days of which nothing is known. A page says them in one sentence; the table for spreadsheets has them all.
type silent struct {
	w      *words
	ranges [][2]time.Time // first and last day of each
}

// add takes the last row of the part, which is of the day that begins at from, from the page.
func (s *silent) add(p *Part, from time.Time) {
	p.Rows = p.Rows[:len(p.Rows)-1]
	p.Links = p.Links[:min(len(p.Links), len(p.Rows))]
	if n := len(s.ranges); n > 0 && s.w.date(s.ranges[n-1][1].In(s.w.zone).AddDate(0, 0, 1)) == s.w.date(from) {
		s.ranges[n-1][1] = from
		return
	}
	s.ranges = append(s.ranges, [2]time.Time{from, from})
}

// say puts the sentence into the part.
func (s *silent) say(p *Part) {
	if len(s.ranges) == 0 {
		return
	}
	var days []string
	for _, r := range s.ranges {
		from, to := s.w.date(r[0]), s.w.date(r[1])
		switch {
		case from == to:
			days = append(days, from)
		case from[2:] == to[2:]: // 01–05-11-2026
			days = append(days, from[:2]+"–"+to)
		default:
			days = append(days, from+" – "+to)
		}
	}
	p.Paragraphs = append(p.Paragraphs, s.w.t("days.silent", strings.Join(days, ", ")))
}
