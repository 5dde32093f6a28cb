package dnsmasq

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
)

func nameservers(list []config.Nameserver) string {
	var out []string
	for _, ns := range list {
		out = append(out, ns.String())
	}
	return strings.Join(out, " ")
}

// put writes a file with a time of change of its own.
func put(t *testing.T, path, text string, changed time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0).Add(changed)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestResolvConf(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	r := &resolvConf{paths: []string{a, b}}
	expect := func(step, want string, wantChanged bool, wantErr string) {
		t.Helper()
		list, changed, err := r.read()
		if got := nameservers(list); got != want || changed != wantChanged {
			t.Errorf("%s: %q, changed %v; want %q, %v", step, got, changed, want, wantChanged)
		}
		if text := strings.ReplaceAll(errText(err), dir, "DIR"); text != wantErr {
			t.Errorf("%s: error %q, want %q", step, text, wantErr)
		}
	}
	expect("no file", "", false, `none of ["DIR/a" "DIR/b"] can be read`)
	expect("still none", "", false, "")
	put(t, a, "search x\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver "+
		"fe80::1%eth0\nnameserver bad\n", time.Second)
	const four = "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 [fe80::1%eth0]:53"
	expect("a file", four, true, "")
	expect("the same", four, false, "")
	put(t, a, "", 2*time.Second)
	expect("an empty file keeps the list", four, false, "DIR/a names no nameservers")
	put(t, b, "nameserver 192.0.2.9\n", 3*time.Second)
	expect("the file that changed last", "192.0.2.9:53", true, "")
	put(t, a, "nameserver 192.0.2.9\n", 4*time.Second)
	expect("the same list from another file", "192.0.2.9:53", false, "")
	os.Remove(a)
	os.Remove(b)
	expect("no file any more", "192.0.2.9:53", false, `none of ["DIR/a" "DIR/b"] can be read`)
}

func TestResolvConfFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	put(t, path, "nameserver 192.0.2.1\n", 0)
	r := &resolvConf{paths: []string{path}}
	if _, _, err := r.read(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	lists, done := make(chan []config.Nameserver), make(chan error)
	go func() { done <- r.follow(ctx, lists, testLog(t)) }()
	put(t, path, "nameserver 192.0.2.2\n", time.Second)
	if got := nameservers(<-lists); got != "192.0.2.2:53" {
		t.Errorf("list %q, want the new one", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Another file of the same size and time is another list.
func TestResolvConfSwapped(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "other")
	writeFiles(t, dir, map[string]string{"resolv.conf": "nameserver 192.0.2.1\n", "other": "nameserver 192.0.2.2\n"})
	r := resolvConf{paths: []string{path}}
	if list, _, err := r.read(); err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	list, changed, err := r.read()
	if err != nil || !changed || list[0].Addr().String() != "192.0.2.2" {
		t.Errorf("after the swap: got %v, changed %v, %v; want the other list", list, changed, err)
	}
}
