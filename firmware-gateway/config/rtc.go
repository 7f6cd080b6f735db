package config

import "karkhana/internal/config"

// RTC is the battery-backed clock.
type RTC struct {
	Chip string `yaml:"chip"` // kernel: what the kernel drives as /dev/rtc0; ds3231: the gateway reads and sets it
	Bus  string `yaml:"bus"`  // of a ds3231; after Load as periph.io names it (I2C1)
}

// The values of the key chip.
const (
	RTCKernel = "kernel"
	RTCDS3231 = "ds3231"
)

func (c *checker) rtc(g *Gateway) {
	r := g.RTC
	if r == nil {
		return
	}
	at := config.At("rtc")
	if g.Clock == ClockTrusted {
		c.fault(at, "rtc is given but clock is trusted, which asks nobody for the time: take one of them out")
	}
	switch r.Chip {
	case RTCKernel:
		if r.Bus != "" {
			c.fault(at.Then("bus"), "the kernel knows where its clock is: take bus out")
		}
	case RTCDS3231:
		if r.Bus == "" {
			r.Bus = "I2C1"
		}
		bus, isSPI := busName(r.Bus)
		if bus == "" || isSPI {
			c.fault(at.Then("bus"), "bus %q: a ds3231 is on I2C1 (/dev/i2c-1)", r.Bus)
			return
		}
		r.Bus = bus
	case "":
		c.fault(at, "chip is missing: ds3231, or kernel where a dtoverlay drives the clock")
	default:
		c.fault(at.Then("chip"), "unknown chip %q%s", r.Chip, config.DidYouMean(r.Chip, []string{RTCKernel, RTCDS3231}))
	}
}
