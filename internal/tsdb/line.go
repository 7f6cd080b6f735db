package tsdb

import "strconv"

// appendLine appends the point in line protocol with a millisecond timestamp and a newline. The point has passed
// refusal: its names need no escaping.
// https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
func appendLine(b []byte, p *Point) []byte {
	b = append(b, p.Measurement...)
	b = append(b, ",machine="...) // tags in ascending order, as InfluxDB wants them for speed
	b = append(b, p.Machine...)
	b = append(b, ",site="...)
	b = append(b, p.Site...)
	sep := byte(' ')
	for i := range p.Fields {
		f := &p.Fields[i]
		b = append(b, sep)
		sep = ','
		b = append(b, f.Key...)
		b = append(b, '=')
		switch v := f.Value.(type) {
		case float64:
			b = strconv.AppendFloat(b, v, 'g', -1, 64)
		case int64:
			b = append(strconv.AppendInt(b, v, 10), 'i')
		case bool:
			b = strconv.AppendBool(b, v)
		case string:
			b = appendText(b, v)
		}
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, p.TimeMs, 10)
	return append(b, '\n')
}

// appendText quotes a text value: only the quote and the backslash are escaped, a newline may stand as it is.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
