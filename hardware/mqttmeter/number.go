package mqttmeter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// numbers is what stands for one quantity: a number, a list with one for each phase, or numbers in quotes, as Tasmota
// sent them before version 6. null and a missing key give none.
type numbers struct {
	list   []float64
	phases bool // came as a list
}

var errPhases = errors.New("more than three phases")

// UnmarshalJSON implements json.Unmarshaler.
func (n *numbers) UnmarshalJSON(b []byte) error {
	*n = numbers{}
	if b[0] != '[' {
		v, ok, err := number(b)
		if ok {
			n.list = []float64{v}
		}
		return err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		return err
	}
	if len(items) > 3 {
		return errPhases
	}
	n.phases = true
	for _, item := range items {
		v, ok, err := number(item)
		if err != nil || !ok {
			*n = numbers{} // a list with a hole is not a list of phases
			return err
		}
		n.list = append(n.list, v)
	}
	return nil
}

// number reads a JSON number, bare or in quotes. ok is false for null.
func number(b []byte) (v float64, ok bool, err error) {
	b = bytes.TrimSpace(b)
	if bytes.Equal(b, []byte("null")) {
		return 0, false, nil
	}
	if len(b) > 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	// A JSON number begins so; strconv alone would also take nan, inf, hexadecimal and underscores.
	if len(b) == 0 || b[0] != '-' && (b[0] < '0' || b[0] > '9') || !json.Valid(b) {
		return 0, false, fmt.Errorf("%.40q is not a number", b)
	}
	v, err = strconv.ParseFloat(string(b), 64)
	return v, err == nil, err
}

func (n numbers) some() bool { return len(n.list) > 0 }

func (n numbers) sum() float64 {
	s := 0.0
	for _, v := range n.list {
		s += v
	}
	return s
}

func (n numbers) mean() float64 { return n.sum() / float64(len(n.list)) }

func (n numbers) allZero() bool {
	for _, v := range n.list {
		if v != 0 {
			return false
		}
	}
	return n.some()
}
