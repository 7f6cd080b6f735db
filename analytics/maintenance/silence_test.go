package maintenance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

func TestASilentSensorOfAGatewayThatIsOnline(t *testing.T) {
	r := newRig(t)
	r.pass(10, func() { r.alive() })
	r.pass(119, func() { r.hot(20) })
	require.Empty(t, r.alarms())
	r.pass(1, func() { r.hot(20) })
	a := r.only()
	require.Equal(t, RuleSensorSilent, a.Rule)
	require.Equal(t, "lathe", a.Machine)
	require.Equal(t, CauseSensor, a.Cause)
	require.InDelta(t, 120, a.Value, 0)
	require.InDelta(t, 120, a.Limit, 0)
	r.pass(300, func() { r.hot(20) })
	require.EqualValues(t, 1, r.only().Count)
	r.pass(1, func() { r.alive() })
	require.False(t, r.only().Active)
}

func TestAGatewayThatIsOfflineGivesOneAlarm(t *testing.T) {
	r := newRig(t)
	r.pass(10, func() { r.alive() })
	r.gateway("gw-1", false)
	r.pass(600, nil)
	a := r.only()
	require.Equal(t, RuleSensorSilent, a.Rule)
	require.Empty(t, a.Machine)
	require.Equal(t, "gw-1", a.Component)
	require.Equal(t, CauseGateway, a.Cause)
	require.EqualValues(t, 1, a.Count)
	// It comes back; its machines get their time before they count as silent.
	r.gateway("gw-1", true)
	r.pass(119, nil)
	a = r.only()
	require.False(t, a.Active)
	r.pass(2, nil)
	require.Len(t, r.alarms(), 3, "online and still nothing: two sensors")
}

func TestAGatewayThatNeverSpokeIsALinkAlarm(t *testing.T) {
	r := newRig(t)
	r.apply(func(d *registry.SiteDefinition) { d.Gateways = append(d.Gateways, "gw-2") })
	r.readBy(map[string]string{"furnace": "gw-1", "lathe": "gw-2"})
	r.pass(300, func() { r.hot(20) })
	a := r.only()
	require.Equal(t, "gw-2", a.Component)
	require.Equal(t, CauseLink, a.Cause)
}

func TestEachGatewaySpeaksForItsOwnMachines(t *testing.T) {
	r := newRig(t)
	r.apply(func(d *registry.SiteDefinition) { d.Gateways = append(d.Gateways, "gw-2") })
	r.gateway("gw-2", true)
	r.readBy(map[string]string{"furnace": "gw-1", "lathe": "gw-2"})
	r.pass(10, func() { r.alive() })
	r.gateway("gw-2", false)
	r.pass(300, func() { r.hot(20) })
	require.Equal(t, "gw-2", r.only().Component)
	r.gateway("gw-2", true)
	r.pass(10, func() { r.alive() })
	require.False(t, r.only().Active)
}

// With two gateways of which none has sampled the machine yet, the cause is only sure when both
// are online.
func TestMachinesOfUnknownGateway(t *testing.T) {
	r := newRig(t)
	r.apply(func(d *registry.SiteDefinition) { d.Gateways = append(d.Gateways, "gw-2") })
	r.gateway("gw-2", false)
	r.pass(300, func() { r.hot(20) })
	require.Equal(t, CauseLink, r.only().Cause)
	require.Equal(t, "lathe", r.only().Machine)
}

// A server that was off for a night must not alarm before the machines had their time to be heard.
func TestAStartGivesTimeToBeHeard(t *testing.T) {
	r := newRig(t)
	r.pass(119, nil)
	require.Empty(t, r.alarms())
	r.pass(60, func() { r.alive() })
	require.Empty(t, r.alarms())
}

// Buffered samples that arrive late say nothing about now, nor does a card tap.
func TestOldSamplesAndTapsAreNoSignOfLife(t *testing.T) {
	r := newRig(t)
	r.pass(130, func() {
		r.hot(20)
		r.write("lathe", r.now.Add(-200*time.Second), number64("power_w", 1))
		r.write("lathe", r.now, tsdb.Field{Key: "card", Value: "abc"})
	})
	require.Equal(t, "lathe", r.only().Machine)
}
