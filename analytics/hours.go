package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"karkhana/analytics/block"
	"karkhana/analytics/fold"
	"karkhana/analytics/timeline"
	"karkhana/internal/tsdb"
)

// A rebuild of a long stretch reads copies of hours: all samples of the machine in an hour of UTC, packed into one value of
// measurement sample_hour. It makes them from the samples that it reads where there is none. A copy is only used when the
// store counts as many values and qualities of each field in that hour as the copy holds, and adds them up to the same: samples
// are neither changed nor deleted once they are stored, so it then holds the same samples as the store. So nothing has to keep
// copies right. What is missing, out of date or damaged is read from the samples.
const (
	// longStretchMs is how long a stretch has to be for copies to be worth their queries.
	longStretchMs = 24 * block.Ms
	// pageHours is how many hours are asked for at once and pagesAhead how often ahead of time, keepHours how many copies are stored at once.
	pageHours  = 240
	pagesAhead = 2
	keepHours  = 48

	fieldBlock = "block"
)

// What came of an hour of a long stretch.
const (
	hourCopy     = "copy"     // its copy was used
	hourSamples  = "samples"  // there was no copy
	hourOutdated = "outdated" // there were other samples than its copy has
	hourDamaged  = "damaged"  // its copy could not be read
)

// hourReader reads a long stretch of one machine.
type hourReader struct {
	*source
	service *Service
	fn      func(fold.Sample) bool

	hour    *block.Hour // that is given out
	sums    []block.Sum
	values  []float64
	quality []string

	kept    *block.Hour // that is read from samples, from keptMs on
	keptMs  int64
	points  []tsdb.Point // copies to be stored
	keeping bool
}

// samples streams the samples of a machine from fromMs on to fn until it returns false. sinceMs to toMs is what is to be read
// at least.
func (s *Service) samples(ctx context.Context, src *source, fromMs, sinceMs, toMs int64, fn func(fold.Sample) bool) error {
	if toMs-sinceMs < s.longMs || len(src.texts) > 0 {
		return src.read(ctx, fromMs, timeline.FarMs, fn)
	}
	n := len(src.fields)
	r := &hourReader{source: src, service: s, fn: fn, values: make([]float64, n), quality: make([]string, n), keeping: true}
	var err error
	if r.hour, err = block.New(src.fields); err != nil {
		return err
	}
	defer r.hour.Close()
	if r.kept, err = block.New(src.fields); err != nil {
		return err
	}
	defer r.kept.Close()
	err = r.read(ctx, fromMs)
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read samples: %w", err)
	}
	r.store(ctx)
	return nil
}

func (r *hourReader) read(ctx context.Context, fromMs int64) error {
	firstMs, some, err := r.end(ctx, fromMs, false)
	if err != nil {
		return err
	}
	if !some {
		return r.fromSamples(ctx, fromMs, timeline.FarMs)
	}
	lastMs, _, err := r.end(ctx, fromMs, true)
	if err != nil {
		return err
	}
	if err := r.fromSamples(ctx, fromMs, firstMs); err != nil {
		return err
	}
	if err := r.pages(ctx, fromMs, firstMs, lastMs+block.Ms); err != nil {
		return err
	}
	return r.fromSamples(ctx, max(fromMs, lastMs+block.Ms), timeline.FarMs)
}

// end finds the first or last hour with a copy.
func (r *hourReader) end(ctx context.Context, fromMs int64, last bool) (ms int64, some bool, err error) {
	q := r.copies(fromMs-fromMs%block.Ms, timeline.FarMs)
	q.Descending, q.Limit = last, 1
	err = r.source.store.Read(ctx, q, func(row tsdb.Row) error {
		ms, some = row.TimeMs, row.TimeMs%block.Ms == 0
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("copies of hours: %w", err)
	}
	return ms, some, nil
}

func (r *hourReader) copies(fromMs, toMs int64) tsdb.Query {
	return tsdb.Query{Measurement: tsdb.SampleHour, Site: r.site, Machine: r.machine, Fields: []string{fieldBlock}, FromMs: fromMs, ToMs: toMs}
}

// page is what the store has of some hours.
type page struct {
	fromMs, toMs int64
	copies       map[int64]string
	sums         map[int64][]block.Sum
	err          error
}

// pages reads the hours [firstMs, endMs), two pages ahead.
func (r *hourReader) pages(ctx context.Context, fromMs, firstMs, endMs int64) error {
	ctx, cancel := context.WithCancel(ctx)
	var ahead []chan page
	defer func() {
		cancel()
		for _, next := range ahead { // nobody reads on after this returns
			<-next
		}
	}()
	for from := firstMs; from < endMs || len(ahead) > 0; {
		for from < endMs && len(ahead) < pagesAhead {
			next, begin, end := make(chan page, 1), from, min(endMs, from+pageHours*block.Ms)
			go func() { next <- r.load(ctx, begin, end) }()
			ahead, from = append(ahead, next), end
		}
		p := <-ahead[0]
		ahead = ahead[1:]
		if p.err != nil {
			return p.err
		}
		if err := r.page(ctx, fromMs, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *hourReader) load(ctx context.Context, fromMs, toMs int64) page {
	p := page{fromMs: fromMs, toMs: toMs, copies: map[int64]string{}, sums: map[int64][]block.Sum{}}
	p.err = r.source.store.Read(ctx, r.copies(fromMs, toMs), func(row tsdb.Row) error {
		p.copies[row.TimeMs], _ = row.Values[0].(string)
		return nil
	})
	if p.err != nil {
		p.err = fmt.Errorf("copies of hours: %w", p.err)
		return p
	}
	q := tsdb.NumberQuery{Measurement: tsdb.Telemetry, Site: r.site, Machine: r.machine, Fields: r.fields, FromMs: fromMs, ToMs: toMs}
	p.err = tsdb.ReadSums(ctx, r.source.store, q, block.Ms, func(row tsdb.SumRow) error {
		sums := make([]block.Sum, len(row.Count))
		for i := range sums {
			sums[i] = block.Sum{Count: row.Count[i], Qualities: row.Qualities[i], Total: row.Total[i]}
		}
		p.sums[row.FromMs] = sums
		return nil
	})
	if p.err != nil {
		p.err = fmt.Errorf("sums of hours: %w", p.err)
	}
	return p
}

// page gives out the samples of a page's hours. Those after one another that have no good copy are read together.
func (r *hourReader) page(ctx context.Context, fromMs int64, p page) error {
	raw := p.fromMs // from here on nothing is given out yet
	for at := p.fromMs; at < p.toMs; at += block.Ms {
		sums, some := p.sums[at]
		if some && !r.good(at, p, sums) {
			continue
		}
		if err := r.fromSamples(ctx, max(raw, fromMs), at); err != nil {
			return err
		}
		raw = at + block.Ms
		if some {
			if err := r.fromCopy(fromMs); err != nil {
				return err
			}
		}
	}
	return r.fromSamples(ctx, max(raw, fromMs), p.toMs)
}

// good unpacks the copy of an hour into r.hour and reports whether it holds what the store's samples add up to.
func (r *hourReader) good(at int64, p page, sums []block.Sum) bool {
	what := hourSamples
	if text, there := p.copies[at]; there {
		switch err := r.hour.Unpack(at, text); {
		case errors.Is(err, block.ErrOtherFields):
		case err != nil:
			what = hourDamaged
			r.service.o.Logger.Warn("a copy of an hour's samples is damaged; the samples are read and copied again",
				"site", r.site, "machine", r.machine, "hour", at, "err", err)
		default:
			what = hourOutdated
			if r.sums = r.hour.Sums(r.sums[:0]); slices.Equal(r.sums, sums) {
				what = hourCopy
			}
		}
	}
	r.service.metrics.copies.WithLabelValues(what).Inc()
	return what == hourCopy
}

// fromCopy gives out r.hour.
func (r *hourReader) fromCopy(fromMs int64) error {
	for i := range r.hour.Len() {
		ms := r.hour.Row(i, r.values, r.quality)
		if ms < fromMs {
			continue
		}
		if x := r.sample(ms, r.values, r.quality, nil); x.Has != 0 && !r.fn(x) {
			return errEnough
		}
	}
	return nil
}

// fromSamples gives out [fromMs, toMs) from the samples and makes copies of the whole hours in it.
func (r *hourReader) fromSamples(ctx context.Context, fromMs, toMs int64) error {
	if fromMs >= toMs {
		return nil
	}
	r.kept.Reset()
	q := tsdb.NumberQuery{Measurement: tsdb.Telemetry, Site: r.site, Machine: r.machine, Fields: r.fields, FromMs: fromMs, ToMs: toMs}
	err := tsdb.ReadNumbers(ctx, r.source.store, q, func(row tsdb.NumberRow) error {
		r.keep(ctx, row, fromMs)
		if x := r.sample(row.TimeMs, row.Values, row.Quality, nil); x.Has != 0 && !r.fn(x) {
			return errEnough
		}
		return nil
	})
	if err == nil && r.keptMs+block.Ms <= toMs && toMs != timeline.FarMs {
		r.pack(ctx, fromMs)
	}
	return err
}

// keep adds a row to the hour under way, or packs that and begins the row's.
func (r *hourReader) keep(ctx context.Context, row tsdb.NumberRow, fromMs int64) {
	if !r.keeping {
		return
	}
	if r.kept.Len() > 0 && row.TimeMs >= r.keptMs+block.Ms {
		r.pack(ctx, fromMs)
	}
	if r.kept.Len() == 0 {
		r.keptMs = row.TimeMs - row.TimeMs%block.Ms
	}
	r.kept.Add(row.TimeMs, row.Values, row.Quality)
}

// pack makes a copy of the hour under way if all of it was read.
func (r *hourReader) pack(ctx context.Context, fromMs int64) {
	if r.kept.Len() > 0 && r.keptMs >= fromMs {
		if text := r.kept.Pack(r.keptMs); len(text) <= tsdb.MaxTextBytes {
			r.points = append(r.points, tsdb.Point{
				Measurement: tsdb.SampleHour, Site: r.site, Machine: r.machine, TimeMs: r.keptMs,
				Fields: []tsdb.Field{{Key: fieldBlock, Value: text}},
			})
		}
	}
	r.kept.Reset()
	if len(r.points) >= keepHours {
		r.store(ctx)
	}
}

// store stores the copies made. Without them nothing but time is lost.
func (r *hourReader) store(ctx context.Context) {
	if len(r.points) == 0 {
		return
	}
	if err := r.source.store.Write(ctx, r.points); err != nil {
		if ctx.Err() == nil {
			r.service.o.Logger.Warn("could not store copies of hours; later rebuilds will read the samples", "site", r.site, "machine", r.machine, "err", err)
		}
		r.keeping = false
	}
	r.points = r.points[:0]
}
