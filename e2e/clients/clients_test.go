package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestClients looks up the same names with each client.
func TestClients(t *testing.T) {
	w := startWorld(t)
	bin := filepath.Join(w.dir, "bin")
	for _, options := range []string{"", "use-vc", "edns0", "single-request", "single-request-reopen", "edns0 trust-ad"} {
		t.Run("glibc "+options, func(t *testing.T) {
			wantNames(t, false, program([]string{"RES_OPTIONS=" + options}, bin+"/glibc"))
		})
	}
	// musl before 1.2.4 never uses TCP.
	t.Run("musl", func(t *testing.T) { wantNames(t, true, program(nil, bin+"/musl")) })
	t.Run("c-ares", func(t *testing.T) { wantNames(t, false, program(nil, bin+"/cares")) })
	t.Run("c-ares over TCP", func(t *testing.T) { wantNames(t, false, program(nil, bin+"/cares", "tcp")) })
	t.Run("Go", func(t *testing.T) { wantNames(t, false, goLookup("")) })
	t.Run("Go over TCP", func(t *testing.T) { wantNames(t, false, goLookup("tcp")) })
	t.Run("Go reverse", goReverse)
	t.Run("Java", func(t *testing.T) { wantNames(t, false, startJava(t, nil, javaDrops)) })
	t.Run("Java's own cache", func(t *testing.T) { wantNames(t, false, startJava(t, nil, javaKeeps)) })
	t.Run("Java's JNDI", func(t *testing.T) { wantNames(t, false, fullNames(startJava(t, nil, javaJNDI))) })
	t.Run("nginx", func(t *testing.T) { testNginx(t, w) })
	t.Run("HAProxy", func(t *testing.T) { testHAProxy(t, w) })
	t.Run("unbound", func(t *testing.T) { testUnbound(t, w) })
	t.Run("node-cache with force_tcp", func(t *testing.T) { testNodeCache(t, w) })
	w.wantNoLeak(t)
}

// A lookup returns the addresses of a name, or errNotFound.
type lookup func(ctx context.Context, name string) ([]string, error)

var errNotFound = errors.New("no such name")

// wantNames looks each name up twice: the second time from dnsmasq's cache. udpOnly skips replies
// that do not fit into UDP.
func wantNames(t *testing.T, udpOnly bool, look lookup) {
	t.Helper()
	for _, n := range slices.Concat(names, names) {
		if n.large && udpOnly {
			continue
		}
		got, err := look(t.Context(), n.asked)
		switch {
		case len(n.addrs) == 0 && !errors.Is(err, errNotFound):
			t.Errorf("%s: got %v and error %v, want no such name", n.asked, got, err)
		case len(n.addrs) > 0 && err != nil:
			t.Errorf("%s: %v", n.asked, err)
		case len(n.addrs) > 0 && !slices.Equal(sorted(got), n.addrs):
			t.Errorf("%s:\n got %v\nwant %v", n.asked, sorted(got), n.addrs)
		}
	}
}

// program looks names up with a program that prints addresses.
func program(env []string, path string, args ...string) lookup {
	return programAfter(nil, env, path, args...)
}

// programAfter is program, started by another program with the arguments in front.
func programAfter(front, env []string, path string, args ...string) lookup {
	return func(ctx context.Context, name string) ([]string, error) {
		all := slices.Concat(front, []string{path, name}, args)
		cmd := exec.CommandContext(ctx, all[0], all[1:]...)
		cmd.Env = env
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		text := stderr.String()
		for _, known := range []string{"Name or service not known", "Name does not resolve", "Domain name not found"} {
			if strings.Contains(text, known) {
				return nil, errNotFound
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", filepath.Base(path), err, strings.TrimSpace(text))
		}
		return strings.Fields(string(out)), nil
	}
}

// goLookup looks names up with Go's own resolver, over the given network instead of its default.
func goLookup(network string) lookup {
	resolver := goResolver(network)
	return func(ctx context.Context, name string) ([]string, error) {
		addrs, err := resolver.LookupHost(ctx, name)
		if failure, ok := errors.AsType[*net.DNSError](err); ok && failure.IsNotFound {
			return nil, errNotFound
		}
		return addrs, err
	}
}

func goResolver(network string) *net.Resolver {
	resolver := &net.Resolver{PreferGo: true}
	if network != "" {
		resolver.Dial = func(ctx context.Context, _, addr string) (net.Conn, error) {
			d := net.Dialer{Timeout: 5 * time.Second}
			return d.DialContext(ctx, network, addr)
		}
	}
	return resolver
}

// goReverse looks up the names of addresses, and a Service's ports.
func goReverse(t *testing.T) {
	resolver := goResolver("")
	for addr, want := range map[string]string{
		webAddr: "web.default.svc.cluster.local.", "fd00:10:96::30": "dual.default.svc.cluster.local.",
		"10.244.2.10": "db-1.db.data.svc.cluster.local.",
	} {
		got, err := resolver.LookupAddr(t.Context(), addr)
		if err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("names of %s: got %v (%v), want %s", addr, got, err, want)
		}
	}
	_, records, err := resolver.LookupSRV(t.Context(), "psql", "tcp", "db.data.svc.cluster.local.")
	if err != nil || len(records) != 3 {
		t.Errorf("SRV of db.data: got %d records (%v), want 3", len(records), err)
	}
}
