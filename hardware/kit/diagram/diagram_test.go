package diagram

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"karkhana/hardware/kit"

	"github.com/stretchr/testify/require"
)

func shipped(t *testing.T) (*kit.Base, []*kit.Kit) {
	base, err := kit.LoadBase()
	require.NoError(t, err)
	var out []*kit.Kit
	for _, class := range kit.Classes() {
		k, err := kit.Load(class)
		require.NoError(t, err)
		out = append(out, k)
	}
	return base, out
}

// Every kit is drawn as well-formed XML, and twice as the same bytes.
func TestDraw(t *testing.T) {
	base, kits := shipped(t)
	for _, k := range kits {
		one, err := Draw(k, base)
		require.NoError(t, err)
		two, err := Draw(k, base)
		require.NoError(t, err)
		require.Equal(t, one, two, k.Class)
		d := xml.NewDecoder(bytes.NewReader(one))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, k.Class)
		}
		require.Contains(t, string(one), k.Name.Hi)
	}
}

// Every wire of the kit is in its picture, no box lies on another or over the edge, wires run beside each other, and
// what is written in a box fits into it.
func TestLayout(t *testing.T) {
	base, kits := shipped(t)
	for _, k := range kits {
		t.Run(k.Class, func(t *testing.T) {
			p, err := lay(k, base)
			require.NoError(t, err)
			drawn := map[[4]string]bool{}
			for i, b := range p.boxes {
				require.GreaterOrEqual(t, b.x, 0.0+margin, b.id)
				require.LessOrEqual(t, b.x+b.w, 0.0+pageW-margin, b.id)
				for _, other := range p.boxes[i+1:] {
					apart := b.x+b.w < other.x || other.x+other.w < b.x || b.y+b.h < other.y || other.y+other.h < b.y
					require.True(t, apart, "%s and %s", b.id, other.id)
				}
				for n, w := range b.wires {
					drawn[[4]string{w.From.Thing, w.From.Terminal, w.To.Thing, w.To.Terminal}] = true
					drawn[[4]string{w.To.Thing, w.To.Terminal, w.From.Thing, w.From.Terminal}] = true
					y := b.wireY(n)
					require.Less(t, y, b.y+b.h)
					require.True(t, b.parent.y < y && y < b.parent.y+b.parent.h, "wire %d of %s misses %s", n, b.id, b.parent.id)
					label := w.Colour.Name.Hi + " " + w.Colour.Name.En
					require.GreaterOrEqual(t, fit(label, 11, gapW-10), 9.0, label)
				}
				for _, l := range b.foot {
					require.LessOrEqual(t, width(l.text, l.size), b.w, l.text)
				}
				require.GreaterOrEqual(t, fit(b.thing.Name.Hi, 15, b.w-46), 11.0, b.thing.Name.Hi)
				require.GreaterOrEqual(t, fit(b.thing.Name.En, 13, b.w-46), 9.5, b.thing.Name.En)
			}
			for _, c := range p.connections {
				require.True(t, drawn[[4]string{c.From.Thing, c.From.Terminal, c.To.Thing, c.To.Terminal}], "%v is not drawn", c)
			}
			notes := p.notes()
			require.LessOrEqual(t, p.bottom+22+p.legendH(notes)+margin, 1.1*pageH, "readable on A4")
			for _, n := range notes {
				require.GreaterOrEqual(t, fit(n.Hi+" · "+n.En, 13, pageW-margin-646), 11.0, n.En)
			}
		})
	}
}

// A changed kit is drawn as it is.
func TestDrawChanged(t *testing.T) {
	base, err := kit.LoadBase()
	require.NoError(t, err)
	k, err := kit.Load("furnace")
	require.NoError(t, err)
	k, err = k.Override("f.yaml", []byte("sensors: {reader: {fitted: false}, probe: {bus: spi0.1}}"))
	require.NoError(t, err)
	svg, err := Draw(k, base)
	require.NoError(t, err)
	require.NotContains(t, string(svg), "RC522")
	require.Contains(t, string(svg), "GPIO7 CE1")
}
