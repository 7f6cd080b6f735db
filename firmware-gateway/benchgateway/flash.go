package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"karkhana/firmware-gateway/pack"
	"karkhana/firmware-gateway/spool"
	"karkhana/internal/quantity"
	"karkhana/internal/wire"
)

const (
	rate    = 100  // samples/s: 20 machines with 5 channels
	seconds = 1800 // that pass in the measurement of the disk
	// packSamples are the samples of a pack in the measurement of the rates: 5 s of 5 channels.
	packSamples = 25
)

// meter gives five channels of a machine as they are in practice: decimals of a meter, and one that is all noise.
type meter struct {
	seed   uint64
	energy float64
}

func (m *meter) noise() float64 {
	m.seed = m.seed*6364136223846793005 + 1442695040888963407
	return float64(int32(m.seed>>32)) / (1 << 31)
}

func (m *meter) read(ms int64) []wire.Sample {
	amps := 6 + 2*math.Sin(float64(ms)/40_000) + .3*m.noise()
	volts := 231 + 2*m.noise()
	watts := amps * volts * .86
	m.energy += watts / 3600
	return []wire.Sample{
		{TimeMs: ms, Quantity: quantity.Power, Number: math.Round(watts*10) / 10},
		{TimeMs: ms, Quantity: quantity.Energy, Number: math.Round(m.energy)},
		{TimeMs: ms, Quantity: quantity.Current, Number: float64(float32(amps))},
		{TimeMs: ms, Quantity: quantity.Voltage, Number: math.Round(volts*10) / 10},
		{TimeMs: ms, Quantity: quantity.PowerFactor, Number: math.Round((.86+.02*m.noise())*100) / 100},
	}
}

// flashed is what half an hour without receipts costs.
type flashed struct {
	written   float64 // bytes/s to the block device, as the kernel accounts them to the process
	perSample float64 // bytes that stay on the disk
}

// flash takes 100 samples/s through the spool with a sync for each second, as the gateway does.
func flash(dir string) (flashed, error) {
	s, err := spool.Open(dir, spool.Options{Thin: pack.Thin})
	if err != nil {
		return flashed{}, err
	}
	defer s.Close()
	meters := make([]meter, rate/channels)
	for i := range meters {
		meters[i].seed = uint64(i + 1)
	}
	tail := pack.AppendTail(nil, pack.Tail{Boot: "0123456789ab", Known: true, OffsetMs: 1_790_000_000_000, Clock: wire.ClockSynced})
	if _, err := s.Sync(); err != nil { // journals are made, once
		return flashed{}, err
	}
	if err := second(s, meters, 0, tail); err != nil {
		return flashed{}, err
	}
	before := written(os.Getpid())
	for at := 1; at <= seconds; at++ {
		if err := second(s, meters, at, tail); err != nil {
			return flashed{}, err
		}
	}
	out := flashed{written: float64(written(os.Getpid())-before) / seconds}
	n := 0
	for c := s.Cursor(); ; {
		r, err := c.Next()
		if errors.Is(err, io.EOF) {
			c.Close()
			break
		}
		if err != nil {
			return flashed{}, err
		}
		p, err := pack.Parse(r.Payload)
		if err != nil {
			return flashed{}, err
		}
		n += len(p.Samples)
	}
	if want := rate * (seconds - 4); n < want {
		return flashed{}, fmt.Errorf("%d samples are in the spool, %d were taken", n, want)
	}
	if err := s.Close(); err != nil {
		return flashed{}, err
	}
	in, err := spool.Inspect(dir)
	if err != nil {
		return flashed{}, err
	}
	bytes := int64(0)
	for _, f := range in.Files {
		bytes += f.Bytes
	}
	out.perSample = float64(bytes) / float64(n)
	return out, nil
}

// second is one second of all machines.
func second(s *spool.Spool, meters []meter, at int, tail []byte) error {
	s.SetMark(append([]byte{1, 2, 3, 4, 5}, tail...))
	for i := range meters {
		ms := int64(at)*1000 + int64(i)
		id := fmt.Sprintf("machine-%d", i)
		if err := s.Note(id, pack.AppendRow(nil, meters[i].read(ms))); err != nil {
			return err
		}
		if (at+i)%5 == 4 {
			if _, err := s.Finish(id, 1_790_000_000_000+ms, true, tail); err != nil {
				return err
			}
		}
	}
	_, err := s.Sync()
	return err
}

// speed is how fast the spool goes.
type speed struct{ append, read float64 } // packs/s

// rates fills a spool with packs and reads it back.
func rates(dir string) (speed, error) {
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		return speed{}, err
	}
	defer s.Close()
	m := meter{seed: 1}
	begin, n := time.Now(), 0
	for time.Since(begin) < 3*time.Second {
		_, err := s.AppendWith("machine-1", 1_790_000_000_000+int64(n), true, func(uint64) ([]byte, error) {
			var b []byte
			for i := range packSamples / channels {
				b = pack.AppendRow(b, m.read(int64(n*5000+i*1000)))
			}
			return pack.AppendTail(b, pack.Tail{Boot: "0123456789ab", Known: true, Clock: wire.ClockSynced}), nil
		})
		if err != nil {
			return speed{}, err
		}
		n++
		if s.Buffered() > 256<<10 {
			if _, err := s.Sync(); err != nil {
				return speed{}, err
			}
		}
	}
	if _, err := s.Sync(); err != nil {
		return speed{}, err
	}
	out := speed{append: float64(n) / time.Since(begin).Seconds()}
	begin = time.Now()
	c := s.Cursor()
	defer c.Close()
	read := 0
	for {
		_, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return speed{}, err
		}
		read++
	}
	if read != n {
		return speed{}, fmt.Errorf("%d packs were appended, %d can be read", n, read)
	}
	out.read = float64(read) / time.Since(begin).Seconds()
	return out, nil
}
