package mqttmeter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"karkhana/hardware/meter"
	"karkhana/internal/config"
)

// Kinds of devices.
const (
	Tasmota    = "tasmota"
	ShellyGen1 = "shelly-gen1"
	ShellyGen2 = "shelly-gen2" // and later generations
)

// Kinds lists the kinds of devices, sorted.
func Kinds() []string { return []string{ShellyGen1, ShellyGen2, Tasmota} }

// Errors of [Parse], for errors.Is.
var (
	ErrOther   = errors.New("not a reading")    // a message about something else: nothing is wrong
	ErrRefused = errors.New("reading refused")  // a reading of which nothing can be believed
	ErrDamaged = errors.New("damaged message")  // not in the form that this kind of device sends
	ErrUnknown = errors.New("no such kind")     // of device
	errTooBig  = errors.New("over 64 KiB long") // no meter sends that
)

// maxPayload is the longest message looked at. The longest status of a Shelly is about 4 kB.
const maxPayload = 64 << 10

// Reading is what one message told. Devices send parts: a message may hold some of the values only.
type Reading struct {
	TimeMs   int64     // of the device's clock in Unix milliseconds; 0: none, or none to be believed: take the time of arrival
	Channels []Channel // sorted by name; each with at least one value, refusal or finding
}

// Channel is one measuring point of a device.
type Channel struct {
	Name     string          // energy (Tasmota), emeter:0, relay:0 (Gen1), em:0, em1:1, switch:0, pm1:0 (Gen2)
	Values   []meter.Value   // in wire units, sorted by name
	Refused  []Refusal       // values that were in the message and are not believed
	Findings []meter.Finding // what the message itself says: a register that was set by a command
}

// Refusal says why a value is not used.
type Refusal struct {
	Name   string // of the quantity
	Reason string // for people
}

// Channel returns a channel by name.
func (r Reading) Channel(name string) (Channel, bool) {
	for _, c := range r.Channels {
		if c.Name == name {
			return c, true
		}
	}
	return Channel{}, false
}

// Topics lists the MQTT topic filters of a device: its topic name for Tasmota (or its whole topic with %prefix% in it,
// where that was changed), its id for a Shelly of the first generation, its topic prefix for later ones. nil: no such
// kind, or a name that can't be in a topic. None of them reaches a command topic.
func Topics(kind, device string) []string {
	if device == "" || strings.ContainsAny(device, "+#\x00") {
		return nil
	}
	switch kind {
	case Tasmota:
		if !strings.Contains(device, "%prefix%") {
			device = "%prefix%/" + device
		}
		tele, stat := strings.ReplaceAll(device, "%prefix%", "tele"), strings.ReplaceAll(device, "%prefix%", "stat")
		return []string{tele + "/SENSOR", stat + "/RESULT", stat + "/STATUS8", stat + "/STATUS10"}
	case ShellyGen1:
		return []string{"shellies/" + device + "/emeter/+/+", "shellies/" + device + "/relay/+/power", "shellies/" + device + "/relay/+/energy"}
	case ShellyGen2:
		return []string{device + "/events/rpc", device + "/status/+"}
	}
	return nil
}

// Parse takes a message of a device apart. It keeps nothing from one message to the next. A reading has at least one
// value; the error is one of ErrOther, ErrRefused, ErrDamaged and ErrUnknown, with the topic and the reason.
func Parse(kind, topic string, payload []byte) (Reading, error) {
	var r Reading
	var err error
	switch {
	case len(payload) > maxPayload:
		err = fmt.Errorf("%w: %w", ErrDamaged, errTooBig)
	case kind == Tasmota:
		err = tasmota(&r, topic, payload)
	case kind == ShellyGen1:
		err = shelly1(&r, topic, payload)
	case kind == ShellyGen2:
		err = shelly2(&r, topic, payload)
	default:
		return Reading{}, fmt.Errorf("mqttmeter: %w: %q%s", ErrUnknown, kind, config.DidYouMean(kind, Kinds()))
	}
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		return Reading{}, fmt.Errorf("mqttmeter: %s %s: %w", kind, topic, err)
	}
	return r, nil
}

// finish drops empty channels and sorts. A reading without any value is an error that gives the reasons.
func (r *Reading) finish() error {
	r.Channels = slices.DeleteFunc(r.Channels, func(c Channel) bool {
		return len(c.Values)+len(c.Refused)+len(c.Findings) == 0
	})
	values := 0
	var reasons []string
	for i := range r.Channels {
		c := &r.Channels[i]
		values += len(c.Values)
		slices.SortFunc(c.Values, func(a, b meter.Value) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(c.Refused, func(a, b Refusal) int { return strings.Compare(a.Name, b.Name) })
		for _, x := range c.Refused {
			if why := c.Name + ": " + x.Name + ": " + x.Reason; len(reasons) < 4 {
				reasons = append(reasons, why)
			}
		}
	}
	slices.SortFunc(r.Channels, func(a, b Channel) int { return strings.Compare(a.Name, b.Name) })
	switch {
	case values > 0:
		return nil
	case len(reasons) > 0:
		return fmt.Errorf("%w: %s", ErrRefused, strings.Join(reasons, "; "))
	}
	return fmt.Errorf("%w: it holds no measured value", ErrOther)
}

// channel returns the channel of a name, new if need be. It holds until the next call.
func (r *Reading) channel(name string) *Channel {
	for i := range r.Channels {
		if r.Channels[i].Name == name {
			return &r.Channels[i]
		}
	}
	r.Channels = append(r.Channels, Channel{Name: name})
	return &r.Channels[len(r.Channels)-1]
}

// add takes a value in wire units, or refuses it. The first of a name stays.
func (c *Channel) add(name string, v float64) {
	low, high, wire, ok := meter.Range(name)
	switch {
	case !ok || slices.ContainsFunc(c.Values, func(x meter.Value) bool { return x.Name == name }):
	case !(v >= low && v <= high):
		c.refuse(name, fmt.Sprintf("%v is outside %v … %v", v, low, high))
	default:
		c.Values = append(c.Values, meter.Value{Name: name, Number: v, Wire: wire})
	}
}

func (c *Channel) refuse(name, reason string) { c.Refused = append(c.Refused, Refusal{name, reason}) }

// fromKWh converts a counter in kWh to Wh, to a thousandth: 1.861 kWh is 1861 Wh, not 1861.0000000000002.
func fromKWh(kwh float64) float64 { return math.Round(kwh*1e6) / 1e3 }

const noData = "zero volts on every phase: the device has no data from its meter; look at its wiring"
