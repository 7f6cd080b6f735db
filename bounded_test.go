package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/wire"
)

// Packs of a boot that never had a time go through broker, ingest, InfluxDB and analytics, and the API says of their
// intervals and of their pieces of a series that the time is bounded, and of no others.
func TestBoundedTimeReachesTheAPI(t *testing.T) {
	l := startLine(t, faultsSiteFile)
	key := secret.New()
	require.NoError(t, l.server.db.SetGatewayKey(context.Background(), faultsSite, "gw-1", registry.HashSecret(key)))
	c := l.client(t, faultsSite+".gw-1", key, "bounded")
	defer c.Disconnect(250)
	send := func(seq int, clock string, from, to, watts int) {
		var records []string
		for s := from; s < to; s++ {
			records = append(records, fmt.Sprintf(`{"n":"power","v":%d,"t":%d}`, watts, s))
		}
		payload := strings.Replace(packText("press-1", seq, strings.Join(records, ",")), `"synced"`, `"`+clock+`"`, 1)
		require.Contains(t, payload, clock)
		token := c.Publish(wire.PackTopic(faultsSite, "gw-1", "press-1", wire.LaneHistory), 1, false, payload)
		require.True(t, token.WaitTimeout(10*time.Second))
		require.NoError(t, token.Error())
	}
	from := time.Unix(badTime, 0).UTC()
	span := url.Values{"from": {from.Format(time.RFC3339)}, "to": {from.Add(20 * time.Minute).Format(time.RFC3339)}, "clip": {"true"}}.Encode()
	var got struct {
		Intervals []struct {
			State, Quality string
			Start, End     time.Time
		}
	}
	answers := listenForReceipts(t, c)
	require.True(t, waitFor(2*time.Minute, func() bool { // until ingest listens; storing twice changes nothing
		send(1, "synced", 0, 300, 0)
		stored, _ := answers()
		return stored[1]
	}))
	send(2, "bounded", 300, 600, 900)
	send(3, "repaired", 600, 900, 0)
	require.True(t, waitFor(2*time.Minute, func() bool {
		got.Intervals = nil
		getJSON(t, l.base, l.token, "/api/v1/sites/"+faultsSite+"/machines/press-1/intervals?"+span, &got)
		return len(got.Intervals) >= 3 && got.Intervals[1].State != "unknown"
	}), "%+v", got)
	bounded := 0
	for _, iv := range got.Intervals {
		in := iv.Start.Before(from.Add(600*time.Second)) && iv.End.After(from.Add(300*time.Second))
		if iv.State == "unknown" {
			continue
		}
		require.Equal(t, in, iv.Quality == "bounded", "%+v", got)
		if in {
			bounded++
		}
	}
	require.Positive(t, bounded)
	var series struct {
		Points []struct {
			T       time.Time
			Bounded bool
		}
	}
	getJSON(t, l.base, l.token, "/api/v1/sites/"+faultsSite+"/machines/press-1/series?quantity=power&points=20&"+span, &series)
	require.NotEmpty(t, series.Points)
	for _, p := range series.Points {
		s := p.T.Sub(from).Seconds()
		require.Equal(t, s >= 300 && s < 600, p.Bounded, "%v", p.T)
	}
}
