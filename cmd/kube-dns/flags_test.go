package main

import (
	"io"
	"strings"
	"testing"
)

// A cache that takes more than a quarter of the container's memory is refused.
func TestCacheFitsMemoryLimit(t *testing.T) {
	const limit, file = 64 << 20, "/sys/fs/cgroup/memory.max"
	for size, want := range map[string]string{
		"16Mi":     "",
		"0":        "",
		"17Mi":     "--cache-size=17Mi does not fit the memory limit of 67108864 bytes in " + file + ": give at most 16777216",
		"67108864": "--cache-size=67108864 does not fit",
	} {
		o, err := parseFlags([]string{"--cache-size=" + size}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.checkCache(limit, file, false); err != nil {
			t.Errorf("%s without a limit: %v", size, err)
		}
		err = o.checkCache(limit, file, true)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", size, err, want)
		}
	}
}
