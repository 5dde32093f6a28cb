package snapshot

import (
	"encoding/json"
	"testing"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "web", `a"b\c`, "tab\t", "\u00fc\x7f", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, _ := json.Marshal(s)
		var wanted, got string
		if err := json.Unmarshal(want, &wanted); err != nil {
			t.Fatal(err)
		}
		text := appendString(nil, s)
		if err := json.Unmarshal(text, &got); err != nil || got != wanted {
			t.Errorf("%q: %s is %q, %v", s, text, got, err)
		}
	})
}
