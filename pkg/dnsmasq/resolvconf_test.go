package dnsmasq

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

// put writes a file with its own modification time.
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
	r := resolvConf{a, b}
	expect := func(step, want, wantErr string) {
		t.Helper()
		list, err := r.read()
		if got := nameservers(list); got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
		if text := strings.ReplaceAll(errText(err), dir, "DIR"); text != wantErr {
			t.Errorf("%s: error %q, want %q", step, text, wantErr)
		}
	}
	expect("no file", "", `none of ["DIR/a" "DIR/b"] can be read`)
	put(t, a, "search x\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver "+
		"fe80::1%eth0\nnameserver bad\n", time.Second)
	expect("a file", "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 [fe80::1%eth0]:53", "")
	put(t, a, "", 2*time.Second)
	expect("an empty file", "", "DIR/a names no nameservers")
	put(t, b, "nameserver 192.0.2.9\n", 3*time.Second)
	expect("the file that changed last", "192.0.2.9:53", "")
}

// TestResolvConfFollow: lists are passed on when they change. An error is logged once.
func TestResolvConfFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		lists, done := make(chan []config.Nameserver, 10), make(chan error)
		go func() {
			done <- resolvConf{path}.follow(ctx, lists, slog.New(slog.NewTextHandler(&log, nil)))
		}()
		for i, text := range []string{"nameserver 192.0.2.1\n", "", "nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n"} {
			put(t, path, text, time.Duration(i)*time.Second)
			time.Sleep(3*resolvPeriod + resolvPeriod/10)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		close(lists)
		var got []string
		for list := range lists {
			got = append(got, nameservers(list))
		}
		if want := []string{"192.0.2.1:53", "192.0.2.2:53"}; !slices.Equal(got, want) {
			t.Errorf("lists %q, want %q", got, want)
		}
		if n := strings.Count(log.String(), "names no nameservers"); n != 1 {
			t.Errorf("the error is logged %d times, want once:\n%s", n, log.String())
		}
	})
}
