package feature_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"karkhana/firmware-gateway/feature"
	"karkhana/hardware/chip/accel"

	"github.com/stretchr/testify/require"
)

const (
	recordings = "../../../shared/data"
	page       = "../../docs/vibration.md"
)

// rows reads a recording as rows of named columns, or skips the test.
func rows(t *testing.T, name string) (head map[string]int, all [][]string) {
	t.Helper()
	path := filepath.Join(recordings, name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("recordings are not here: %s", path)
	}
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		require.NoError(t, err)
		r = csv.NewReader(z)
	}
	all, err = r.ReadAll()
	require.NoError(t, err)
	head = map[string]int{}
	for i, c := range all[0] {
		head[c] = i
	}
	return head, all[1:]
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}

// inDocs demands that the page shows the table as computed.
func inDocs(t *testing.T, table string) {
	t.Helper()
	t.Logf("\n%s", table)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(text), table, "docs/vibration.md shows other figures: take those above over")
}

// bearing is what one recording of the motor gives.
type bearing struct {
	shape    feature.Shape // g
	velocity float64       // mm/s
}

// The four motor recordings: the figures of the ground truth, and what they tell apart.
func TestBearings(t *testing.T) {
	truth, files := rows(t, "cwru-bearing/ground_truth.csv")
	var table strings.Builder
	table.WriteString("| recording | fault | rate Hz | RMS g | crest | kurtosis | velocity mm/s | RMS ÷ sound | kurtosis − sound |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	found := map[string]bearing{}
	for _, row := range files {
		name, rateHz := row[truth["file"]], number(t, row[truth["fs_hz"]])
		head, data := rows(t, "cwru-bearing/"+name+".csv.gz")
		x, ms2 := make([]float64, len(data)), make([]float64, len(data))
		for i, r := range data {
			x[i] = number(t, r[head["de_g"]])
			ms2[i] = x[i] * accel.Gravity
		}
		shape, err := feature.ShapeOf(x)
		require.NoError(t, err)
		require.InDelta(t, number(t, row[truth["de_ac_rms_g"]]), shape.RMS, 2e-5, name)
		require.InEpsilon(t, number(t, row[truth["de_peak_g"]]), shape.Peak, 5e-3, name)
		require.InEpsilon(t, number(t, row[truth["de_crest"]]), shape.Crest, 5e-3, name)
		require.InEpsilon(t, number(t, row[truth["de_kurtosis"]]), shape.Kurtosis, 1e-3, name)
		v, band, err := feature.Velocity(ms2, rateHz)
		require.NoError(t, err)
		require.True(t, band.Full())
		found[row[truth["fault"]]] = bearing{shape, v * 1000}
		sound := found["none"]
		fmt.Fprintf(&table, "| %s | %s | %.0f | %.3f | %.2f | %.2f | %.2f | %.1f | %+.2f |\n", name, row[truth["fault"]], rateHz,
			shape.RMS, shape.Crest, shape.Kurtosis, v*1000, shape.RMS/sound.shape.RMS, shape.Kurtosis-sound.shape.Kurtosis)
	}
	sound, inner, outer, ball := found["none"], found["inner race"], found["outer race (6 o clock)"], found["ball"]
	for _, f := range []bearing{inner, outer} {
		require.Greater(t, f.shape.RMS, 3*sound.shape.RMS)
		require.Greater(t, f.shape.Kurtosis, 4.0, "wear")
		require.Greater(t, f.shape.Crest, 1.2*sound.shape.Crest)
	}
	require.Greater(t, outer.shape.Kurtosis, 6.0, "severe")
	require.Less(t, sound.shape.Kurtosis, 4.0)
	// Velocity sees none of it: all four stand in zone A of class I (ISO 10816-1).
	for fault, b := range found {
		require.Less(t, b.velocity, 0.71, fault)
	}
	// The ball fault shows in the RMS only. Nobody may claim more.
	require.Greater(t, ball.shape.RMS, 1.5*sound.shape.RMS)
	require.InDelta(t, sound.shape.Kurtosis, ball.shape.Kurtosis, 0.5)
	require.InEpsilon(t, sound.shape.Crest, ball.shape.Crest, 0.05)
	inDocs(t, table.String())
}

// The fan with weights: unbalance shows in the RMS as the ground truth has it, once the fan turns fast enough.
func TestFan(t *testing.T) {
	truth, settings := rows(t, "uci-fan-accelerometer/ground_truth_rms.csv")
	head, data := rows(t, "uci-fan-accelerometer/fan_accelerometer.csv.gz")
	var table strings.Builder
	table.WriteString("| weights | speed % | RMS x g | RMS y g | RMS z g | RMS of the vector g | ÷ balanced |\n" +
		"| --- | --- | --- | --- | --- | --- | --- |\n")
	placed := map[string]string{"1": "unbalanced (normal)", "2": "unbalanced (perpendicular)", "3": "balanced (opposite)"}
	vector := map[string]float64{}
	lines := map[string]string{}
	for _, row := range settings {
		key := row[truth["wconfid"]] + " " + row[truth["pctid"]]
		sum, line := 0.0, ""
		for _, axis := range []string{"x", "y", "z"} {
			var x []float64
			for _, r := range data {
				if r[head["wconfid"]] == row[truth["wconfid"]] && r[head["pctid"]] == row[truth["pctid"]] {
					x = append(x, number(t, r[head[axis]]))
				}
			}
			require.Equal(t, row[truth["rows"]], strconv.Itoa(len(x)))
			s, err := feature.ShapeOf(x)
			require.NoError(t, err)
			// The truth is about the mean only; taking the slope as well makes less than 1 % here.
			require.InEpsilon(t, number(t, row[truth["ac_rms_"+axis]]), s.RMS, 0.01, "%s %s", key, axis)
			sum += s.RMS * s.RMS
			line += fmt.Sprintf("%.3f | ", s.RMS)
		}
		require.InEpsilon(t, number(t, row[truth["ac_rms_vector"]]), math.Sqrt(sum), 0.01, key)
		vector[key], lines[key] = math.Sqrt(sum), line
	}
	for _, speed := range []string{"20", "60", "100"} {
		for _, w := range []string{"1", "2", "3"} {
			key := w + " " + speed
			fmt.Fprintf(&table, "| %s | %s | %s%.3f | %.1f |\n", placed[w], speed, lines[key], vector[key], vector[key]/vector["3 "+speed])
		}
	}
	for _, w := range []string{"1", "2"} {
		require.Greater(t, vector[w+" 100"], 8*vector["3 100"])
		require.Greater(t, vector[w+" 60"], 4*vector["3 60"])
		require.InEpsilon(t, vector["3 20"], vector[w+" 20"], 0.2, "at 20 % speed nothing can be told apart")
	}
	inDocs(t, table.String())
}
