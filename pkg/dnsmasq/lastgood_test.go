package dnsmasq

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// The supervisor never waits for the disk: keep returns though nothing writes,
// and the newest configuration is written.
func TestKeeper(t *testing.T) {
	dir := openState(t, filepath.Join(publicDir(t), "state"))
	k := newKeeper(dir, "source", slog.New(slog.DiscardHandler))
	for _, text := range []string{"1", "2", "3"} {
		k.keep(map[string]string{"stubDomains": text})
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.run(stopped); err != nil {
		t.Fatal(err)
	}
	if files, ok := dir.loadLastGood("source"); !ok || files["stubDomains"] != "3" {
		t.Errorf("kept: got %v (%v), want the newest", files, ok)
	}
	before, err := os.Stat(filepath.Join(dir.path, lastGoodName))
	if err != nil {
		t.Fatal(err)
	}
	k.keep(map[string]string{"stubDomains": "3"})
	if err := k.run(stopped); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(dir.path, lastGoodName))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the same configuration was written again (%v)", err)
	}
}
