package service

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/analytics/timeline"
	"karkhana/internal/registry"
)

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// hours makes n hours of the same share of run, the rest off.
func hours(n int, runMs int64) (out []timeline.Hour) {
	for i := range n {
		out = append(out, timeline.Hour{StartMs: epoch + int64(i)*msHour, RunMs: runMs, OffMs: msHour - runMs})
	}
	return out
}

func TestTasksOfKitAndSiteFile(t *testing.T) {
	m := registry.Machine{ID: "lathe-1", Class: "polishing"}
	change := func(c registry.ServiceTask) registry.ServiceTask { c.Machine = m.ID; return c }
	tasks, err := Tasks(m, nil)
	require.NoError(t, err)
	require.Len(t, tasks, 3)
	require.Equal(t, "bearings", tasks[0].ID)
	require.InDelta(t, 300, tasks[0].IntervalH, 0)
	require.EqualValues(t, 90, tasks[0].IntervalDays)

	name := registry.Name{Hi: "बेल्ट", En: "Belt"}
	tasks, err = Tasks(m, []registry.ServiceTask{
		change(registry.ServiceTask{ID: "bearings", IntervalH: 200}),
		change(registry.ServiceTask{ID: "dust", Off: true}),
		change(registry.ServiceTask{ID: "belt", Name: name, IntervalDays: 30}),
		{Machine: "other", ID: "wheels", Off: true},
	})
	require.NoError(t, err)
	require.Len(t, tasks, 3)
	require.InDelta(t, 200, tasks[0].IntervalH, 0)
	require.Zero(t, tasks[0].IntervalDays)
	require.NotEmpty(t, tasks[0].Do.Hi, "the rest stays the kit's")
	require.Equal(t, Task{Machine: "lathe-1", ID: "belt", Name: name, IntervalDays: 30}, tasks[2])

	def := registry.SiteDefinition{Machines: []registry.MachineDefinition{{Machine: m, Services: []registry.ServiceTask{{ID: "bearing", IntervalH: 5}, {ID: "dusts", Off: true}}}}}
	require.ErrorContains(t, Check(def), `machine lathe-1: the kit polishing has no task "bearing"; did you mean "bearings"?`)
	def.Machines[0].Services = def.Machines[0].Services[1:]
	require.ErrorContains(t, Check(def), `has no such task; did you mean "dust"?`)
}

func TestDueByHours(t *testing.T) {
	judge := func(n int) Status {
		s := Status{Task: Task{IntervalH: 100, IntervalDays: 365}}
		s.judge(hours(n, msHour/2), epoch+int64(n)*msHour)
		return s
	}
	s := judge(100)
	require.Equal(t, OK, s.State)
	require.Equal(t, 50*msHour, s.RunMs)
	require.Zero(t, s.UnknownMs)
	require.True(t, s.ByHours)
	require.InDelta(t, epoch+200*msHour, s.DueMs, 1000, "50 run-hours left at 12 a day")
	require.Equal(t, Soon, judge(180).State)
	require.Equal(t, Due, judge(200).State)
	require.Equal(t, Due, judge(239).State)
	require.Equal(t, Overdue, judge(240).State)
}

func TestDueByCalendar(t *testing.T) {
	s := Status{Task: Task{IntervalH: 1000, IntervalDays: 4}}
	s.judge(hours(96, msHour/2), epoch+96*msHour)
	require.Equal(t, Due, s.State)
	require.False(t, s.ByHours)
	require.Equal(t, epoch+96*msHour, s.DueMs)
}

// Unknown hours are told and not counted as run, whether they are stored as such, missing in between or at the end.
func TestUnknownHours(t *testing.T) {
	h := hours(20, msHour)
	h[3].RunMs, h[3].UnknownMs = 0, msHour
	h = append(h[:10], h[12:]...)
	s := Status{Task: Task{IntervalH: 100}}
	s.judge(h, epoch+30*msHour)
	require.Equal(t, 17*msHour, s.RunMs)
	require.Equal(t, (1+2+10)*msHour, s.UnknownMs)
	s.judge(h, epoch+21*msHour)
	require.Equal(t, 3*msHour, s.UnknownMs, "the newest hour is being computed")
}

func TestCountedSinceDone(t *testing.T) {
	s := Status{Task: Task{IntervalH: 100}, Last: &registry.ServiceDone{DoneMs: epoch + 10*msHour + msHour/4}}
	s.judge(hours(20, msHour), epoch+20*msHour)
	require.Equal(t, 10*msHour-msHour/4, s.RunMs)
	s = Status{Task: Task{IntervalH: 100}}
	s.judge(nil, epoch)
	require.Equal(t, OK, s.State)
	require.Zero(t, s.SinceMs, "a machine that never sent anything")
}
