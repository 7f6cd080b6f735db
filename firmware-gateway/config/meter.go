package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"karkhana/hardware/meter"
	"karkhana/hardware/mqttmeter"
	"karkhana/internal/config"
	"karkhana/internal/quantity"
)

// mqttGives is what an MQTT meter may tell.
var mqttGives = []string{quantity.Power, quantity.Energy, quantity.Voltage, quantity.Current, quantity.PowerFactor, quantity.Frequency}

func (c *sensorChecker) meter(at config.Path, s *Sensor) {
	profile, err := meter.LoadProfile(s.Meter)
	if err != nil {
		c.fault(at.Then("meter"), "unknown meter %q%s", s.Meter, config.DidYouMean(s.Meter, meter.Profiles()))
		return
	}
	if s.Unit < 1 || s.Unit > 247 {
		c.fault(at.Then("unit"), "unit %d: give the meter's Modbus address, 1 to 247", s.Unit)
	}
	if w := meter.Words(s.Words); w != "" && w != meter.HighFirst && w != meter.LowFirst && w != meter.ByProbe {
		c.fault(at.Then("words"), "words %q%s", s.Words, config.DidYouMean(s.Words, []string{string(meter.HighFirst), string(meter.LowFirst), string(meter.ByProbe)}))
	}
	c.line(at, s, profile)
	var can []string
	for _, r := range profile.Rows {
		if _, ok := quantity.Get(r.Name); ok {
			can = append(can, r.Name)
		}
	}
	c.choose(at, s, can)
}

// line completes the settings of a meter's line and checks that all its meters agree on them.
func (c *sensorChecker) line(at config.Path, s *Sensor, p *meter.Profile) {
	if s.Line == nil || s.Line.URL == "" {
		c.fault(at, "line is missing: give line: {url: rtu:///dev/ttyUSB0} or {url: tcp://host:502}")
		return
	}
	l := s.Line
	serial := strings.HasPrefix(l.URL, "rtu://")
	switch {
	case !serial && (l.Baud != 0 || l.Parity != ""):
		c.fault(at.Then("line"), "baud and parity belong to a serial line; a converter is set up by itself")
		return
	case serial && l.Baud == 0:
		l.Baud = p.Baud
	}
	if serial && l.Parity == "" {
		l.Parity = p.Parity
	}
	if client, err := meter.NewClient(meter.Line{URL: l.URL, Baud: l.Baud, Parity: l.Parity}); err != nil {
		c.fault(at.Then("line"), "%v", err)
		return
	} else if err := client.Close(); err != nil {
		c.fault(at.Then("line"), "%v", err)
	}
	if other, ok := c.lines[l.URL]; ok && other != *l {
		c.fault(at.Then("line"), "%s has %d baud, parity %s here and %d baud, parity %s before: all meters of a line have the same", l.URL, l.Baud, l.Parity, other.Baud, other.Parity)
		return
	}
	c.lines[l.URL] = *l
	c.use(at.Then("unit"), fmt.Sprintf("unit %d of %s", s.Unit, l.URL))
}

func (c *sensorChecker) mqtt(at config.Path, s *Sensor) {
	if !slices.Contains(mqttmeter.Kinds(), s.MQTTMeter) {
		c.fault(at.Then("mqtt_meter"), "unknown mqtt_meter %q%s", s.MQTTMeter, config.DidYouMean(s.MQTTMeter, mqttmeter.Kinds()))
		return
	}
	if s.Broker == "" {
		s.Broker = "mqtt://127.0.0.1:1883"
	}
	if u, err := url.Parse(s.Broker); err != nil || u.Host == "" {
		c.fault(at.Then("broker"), "broker %q: write it as mqtt://host:port", s.Broker)
	}
	password, err := c.src.Secret(at, "password", s.Password, s.PasswordFile)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	s.Password = password
	if mqttmeter.Topics(s.MQTTMeter, s.Device) == nil {
		c.fault(at, "device %q: give the device's topic name (Tasmota), id (shelly-gen1) or topic prefix (shelly-gen2)", s.Device)
	}
	if s.Channels == nil && s.MQTTMeter == mqttmeter.Tasmota {
		s.Channels = []string{"energy"}
	}
	if _, err := mqttmeter.NewJoint(s.Channels...); err != nil {
		c.fault(at.Then("channels"), "channels: %v", err)
	}
	for _, ch := range s.Channels {
		c.use(at, fmt.Sprintf("channel %s of %s %s at %s", ch, s.MQTTMeter, s.Device, s.Broker))
	}
	if s.SilentAfter == 0 {
		s.SilentAfter = config.Duration(10 * time.Minute)
	}
	can := slices.Clone(mqttGives)
	for i := range s.Channels {
		for _, q := range []string{quantity.Power, quantity.Voltage, quantity.Current, quantity.PowerFactor} {
			can = append(can, fmt.Sprintf("%s_l%d", q, i+1))
		}
	}
	c.choose(at, s, can)
}
