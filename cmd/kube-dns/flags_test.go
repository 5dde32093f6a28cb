package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A cache larger than a quarter of the container's memory is refused.
func TestCacheFitsMemoryLimit(t *testing.T) {
	const limit, file = 64 << 20, "/sys/fs/cgroup/memory.max"
	for size, want := range map[string]string{
		"16Mi": "",
		"0":    "",
		"17Mi": "--cache-size=17Mi does not fit the memory limit of 67108864 bytes in " + file +
			": give at most 16777216",
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

// A size is a number with a Kubernetes unit, in the range of a cache.
func TestCacheSize(t *testing.T) {
	const form, bounds = "a size is a number of bytes", "a cache has from 64Ki to 16Gi"
	for text, want := range map[string]string{
		"-1": form, "8M": form, "8MiB": form, "": form, "1.5Mi": form, "Mi": form, "8 Mi": form,
		"1": bounds, "63Ki": bounds, "17Gi": bounds, "17179869185": bounds, "18446744073709551616": bounds,
		"99999999999Gi": bounds, "18014398509481985Ki": bounds,
	} {
		_, err := parseFlags([]string{"--cache-size=" + text}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "--cache-size="+text+": "+want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]int{"0": 0, "64Ki": 64 << 10, "65536": 64 << 10, "8Mi": 8 << 20, "16Gi": 16 << 30} {
		if o, err := parseFlags([]string{"--cache-size=" + text}, io.Discard); err != nil || o.cacheSize != want {
			t.Errorf("%q: %v, want %d", text, err, want)
		}
	}
}

// --autopath requires the node's resolv.conf, with valid search domains.
func TestAutopathReadsNode(t *testing.T) {
	for text, want := range map[string]string{
		"search corp.example Eu.Corp.Example.\n": "",
		"search a_b.example\n":                   `search domain "a_b.example": `,
		"search shop.svc.cluster.local corp.example\n": "search domain shop.svc.cluster.local of the cluster, " +
			"so it is not that of the node: give the pod dnsPolicy: Default",
		"search cluster.local\n": "search domain cluster.local of the cluster",
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := parseFlags([]string{"--autopath"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		err = o.readSearch(path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), path) ||
			err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if want == "" && !slices.Equal(o.search, []string{"corp.example.", "eu.corp.example."}) {
			t.Errorf("%q: %q", text, o.search)
		}
	}
	o, _ := parseFlags([]string{"--autopath"}, io.Discard)
	for _, path := range []string{"/no/such/file", t.TempDir()} { // missing, and not a file
		if err := o.readSearch(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
