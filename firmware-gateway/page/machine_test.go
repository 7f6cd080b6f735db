package page

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"karkhana/firmware-gateway/config"
	"karkhana/hardware/kit"
)

// installer is somebody with the PIN at a gateway whose file has some machines.
func installer(t *testing.T, machines string) (v *visitor, file string, reloads *int, reloadErr *error) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "gateway.yaml")
	for name, text := range map[string]string{"key": "k", "salt": "salt", "gateway.yaml": "site: s\ngateway: g\nbroker: mqtt://h:1\nkey_file: key\ncard_salt_file: salt\nmachines:\n" + machines} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	reloads, reloadErr = new(int), new(error)
	v, _, o := open(t, workshop(), "127.0.0.1:8093", Setup{File: file, Reload: func(context.Context) error { *reloads++; return *reloadErr }})
	v.signIn(o.PINFile)
	return v, file, reloads, reloadErr
}

const saw = "  - id: saw-1\n    kit: cutting       # two blades\n  - {id: sim-1, source: sim, sim: {seed: 1, epoch: 2026-01-01T00:00:00Z, kind: cutting}}\n"

func (v *visitor) save(values ...string) (int, string) {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	status, body, _ := v.do(http.MethodPost, "/setup/machine", form.Encode())
	return status, body
}

// ofCutting are the fields of the kit as they come.
var ofCutting = []string{"kit", "cutting", "meter.fitted", "1", "meter.bus", "rs485-1", "meter.profile", "sdm630", "meter.baud", "9600", "meter.parity", "none", "reader.bus", "spi1.1", "port.rs485-1", "/dev/ttyUSB0"}

func TestChooseAKit(t *testing.T) {
	v, file, reloads, _ := installer(t, saw)
	_, body := v.get("/setup")
	require.Contains(t, body, "कटाई मशीन")
	require.Contains(t, body, "नक़ली मशीन")
	status, body := v.get("/setup/machine?id=lathe-1&kit=polishing")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `name="meter.unit"`)
	status, svg := v.get("/setup/picture.svg?kit=polishing&id=lathe-1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, svg, "<svg")

	// A unit that the saw has already, told at its field; nothing is written.
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	hash := hashIn(t, body)
	status, body = v.save(append([]string{"id", "saw-2", "hash", hash, "meter.unit", "2"}, ofCutting...)...)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, body, "is taken by saw-1")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	require.Zero(t, *reloads)

	for value, want := range map[string]string{"x": "यहाँ अंक चाहिए", "300": "300", "": "यहाँ अंक चाहिए"} {
		status, body = v.save(append([]string{"id", "saw-2", "hash", hash, "meter.unit", value}, ofCutting...)...)
		require.Equal(t, http.StatusUnprocessableEntity, status, value)
		require.Regexp(t, `(?s)name="meter.unit"[^>]*aria-invalid="true"[^>]*>(</select>)?<p class="why"[^>]*>[^<]*`+want, body, "at its field")
	}

	status, _ = v.save(append([]string{"id", "saw-2", "hash", hash, "meter.unit", "12"}, ofCutting...)...)
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, 1, *reloads)
	g, err := config.Load(file)
	require.NoError(t, err)
	require.Len(t, g.Machines, 3)
	require.Equal(t, "cutting", g.Machines[2].Kit)
	require.EqualValues(t, 12, *g.Machines[2].Change["meter"].Unit)
	require.False(t, *g.Machines[2].Change["reader"].Fitted, "its box was not ticked")
	require.Nil(t, g.Machines[2].Change["meter"].Baud, "what is as in the kit is not written")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "kit: cutting       # two blades", "the rest stays as it was written")

	status, body = v.save(append([]string{"id", "saw-2", "hash", hash, "meter.unit", "13"}, ofCutting...)...)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "किसी और ने gateway.yaml बदल दिया")
	_, body = v.get("/setup/machine?saved=1&id=saw-2")
	require.Contains(t, body, "सहेज लिया")
	require.Regexp(t, `name="meter.unit" value="12"`, body)

	// Another line without a port is told where the line is chosen; then the port is asked for.
	changed := append([]string{}, ofCutting...)
	changed[5] = "rs485-2"
	status, body = v.save(append([]string{"id", "saw-2", "hash", hashIn(t, body), "meter.unit", "12"}, changed...)...)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Regexp(t, `(?s)name="meter.bus" class="wrong".*ports does not say`, body)
	require.Contains(t, body, `name="port.rs485-2"`)
	status, _ = v.save(append([]string{"id", "saw-2", "hash", hashIn(t, body), "meter.unit", "12", "port.rs485-2", "tcp://10.0.0.9:502", "reader.fitted", ""}, changed...)...)
	require.Equal(t, http.StatusSeeOther, status)
	g, err = config.Load(file)
	require.NoError(t, err)
	require.Equal(t, "tcp://10.0.0.9:502", g.Ports["rs485-2"])
	require.Equal(t, "rs485-2", g.Machines[2].Change["meter"].Bus.String())
}

func TestWhatCantBeChosen(t *testing.T) {
	v, file, _, reloadErr := installer(t, saw)
	for path, want := range map[string]int{
		"/setup/machine?id=sim-1": http.StatusConflict, "/setup/machine?id=BAD": http.StatusUnprocessableEntity, "/setup/machine": http.StatusUnprocessableEntity,
		"/setup/machine?id=a&kit=nosuch": http.StatusUnprocessableEntity, "/setup/picture.svg?kit=../x": http.StatusNotFound, "/setup/machine?id=new-1": http.StatusOK,
	} {
		status, _ := v.get(path)
		require.Equal(t, want, status, path)
	}
	_, body := v.get("/setup/machine?id=saw-1")
	*reloadErr = errors.New("restart needed")
	status, body := v.save(append([]string{"id", "saw-1", "hash", hashIn(t, body), "meter.unit", "9", "reader.fitted", "1"}, ofCutting...)...)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "restart needed")
	require.NoError(t, os.WriteFile(file, []byte("site: [\n"), 0o600))
	status, body = v.get("/setup/machine?id=saw-1")
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "gateway.yaml सही नहीं है")
	status, body = v.get("/setup")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "gateway.yaml सही नहीं है")
}

// Each kit can be chosen as it comes, with nothing changed.
func TestEveryKit(t *testing.T) {
	for _, class := range kit.Classes() {
		v, file, _, _ := installer(t, saw[:strings.Index(saw, "  - {id: sim")])
		_, body := v.get("/setup/machine?id=saw-1&kit=" + class)
		values := []string{"id", "saw-1", "kit", class, "hash", hashIn(t, body)}
		k, err := kit.Load(class)
		require.NoError(t, err)
		f := newForm(texts{}, "en", &config.Gateway{}, config.Machine{}, k, nil)
		for _, s := range f.Sensors {
			values = append(values, s.ID+".fitted", "1")
			for _, x := range s.Fields {
				values = append(values, x.Name, x.Value)
			}
		}
		status, body := v.save(values...)
		require.Equal(t, http.StatusSeeOther, status, "%s: %s", class, body)
		g, err := config.Load(file)
		require.NoError(t, err)
		require.Equal(t, class, g.Machines[0].Kit)
		require.Empty(t, g.Machines[0].Change, class)
	}
}

func hashIn(t *testing.T, body string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `name="hash" value="`)
	require.True(t, ok, body)
	hash, _, _ := strings.Cut(rest, `"`)
	return hash
}
