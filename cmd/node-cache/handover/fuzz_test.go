package handover

import "testing"

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(`{"serving":true}`))
	f.Add([]byte(`{"serving":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if m, err := parseMessage(line); err != nil && m.Serving {
			t.Errorf("%q: got %+v with an error", line, m)
		}
	})
}
