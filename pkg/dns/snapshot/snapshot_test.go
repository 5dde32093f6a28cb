package snapshot_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/snapshot"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

const domain = "cluster.local."

// fill sets one Service of each kind in a zone.
func fill(z *kubedns.Zone) {
	key := func(name string) kubedns.Key { return kubedns.Key{Namespace: "ns", Name: name} }
	port := func(name string, n uint16) kubedns.Port { return kubedns.Port{Name: name, Protocol: "tcp", Number: n} }
	addr := netip.MustParseAddr
	z.SetService(kubedns.Service{Key: key("web"), ClusterIPs: []netip.Addr{addr("10.0.0.1"), addr("fd00::1")},
		Ports: []kubedns.Port{port("http", 80)}})
	z.SetEndpoints(kubedns.Endpoints{Key: key("web-1"), Service: "web", AnyReady: true})
	z.SetService(kubedns.Service{Key: key("ext"), ExternalName: "a.example"})
	z.SetService(kubedns.Service{Key: key("num"), ExternalName: "192.0.2.1"})
	z.SetService(kubedns.Service{Key: key("set"), Headless: true})
	z.SetEndpoints(kubedns.Endpoints{Key: key("set-1"), Service: "set", AnyReady: true, Subsets: []kubedns.Subset{
		{Ports: []kubedns.Port{port("peer", 1), port("api", 2)},
			Endpoints: []kubedns.Endpoint{{Addr: addr("10.1.0.1"), Hostname: "a", Ready: true},
				{Addr: addr("fd00:1::1"), Hostname: "a", Ready: true}}},
		{Ports: []kubedns.Port{port("peer", 3)}, Endpoints: []kubedns.Endpoint{{Addr: addr("10.1.0.2"), Ready: true},
			{Addr: addr("10.1.0.3"), Ready: false}}},
	}})
	z.Publish()
}

func encoded(t testing.TB) []byte {
	t.Helper()
	z := kubedns.NewZone(kubedns.Options{})
	fill(z)
	var b bytes.Buffer
	if err := snapshot.Encode(&b, z, domain, time.Unix(1700000000, 0)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func dump(t *testing.T, z *kubedns.Zone) string {
	t.Helper()
	var doc strings.Builder
	if err := z.Dump(t.Context(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.String()
}

func TestRoundTrip(t *testing.T) {
	data := encoded(t)
	z, written, err := snapshot.Decode(data, domain)
	if err != nil || written.Unix() != 1700000000 {
		t.Fatalf("%v, %v", written, err)
	}
	want := kubedns.NewZone(kubedns.Options{})
	fill(want)
	if diff := cmp.Diff(dump(t, want), dump(t, z)); diff != "" {
		t.Errorf("want -, got +:\n%s\n%s", diff, data)
	}
	var again bytes.Buffer
	if err := snapshot.Encode(&again, z, domain, written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(data), again.String()); diff != "" {
		t.Errorf("written again: %s", diff)
	}
}

// Writes must not grow the heap by the size of the cluster.
func BenchmarkEncode(b *testing.B) {
	z := kubedns.NewZone(kubedns.Options{})
	for i := range 1000 {
		key := kubedns.Key{Namespace: "ns", Name: fmt.Sprintf("set-%d", i)}
		z.SetService(kubedns.Service{Key: key, Headless: true})
		sub := kubedns.Subset{Ports: []kubedns.Port{{Name: "http", Protocol: "tcp", Number: 80}}}
		for n := range 50 {
			sub.Endpoints = append(sub.Endpoints, kubedns.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i),
				byte(n)}), Ready: true})
		}
		z.SetEndpoints(kubedns.Endpoints{Key: key, Service: key.Name, AnyReady: true, Subsets: []kubedns.Subset{sub}})
	}
	z.Publish()
	b.ReportAllocs()
	for b.Loop() {
		if err := snapshot.Encode(io.Discard, z, domain, time.Unix(1700000000, 0)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(encoded(t))
	for name, tt := range map[string]struct{ data, zone, want string }{
		"empty":        {"", domain, "truncated"},
		"cut off":      {good[:len(good)/2], domain, "truncated"},
		"last byte":    {good[:len(good)-1], domain, "truncated"},
		"changed":      {strings.Replace(good, "10.0.0.1", "10.0.0.2", 1), domain, "checksum is wrong"},
		"another zone": {good, "other.zone.", "of the zone cluster.local., not other.zone."},
		"other file":   {"kind: List\n", domain, "truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := snapshot.Decode([]byte(tt.data), tt.zone); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	good := encoded(f)
	f.Add(good)
	f.Add(good[:100])
	f.Add([]byte("# kube-dns snapshot 1 zone=cluster.local. written=x\n# sha256=00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if z, _, err := snapshot.Decode(data, domain); (z == nil) != (err != nil) {
			t.Errorf("zone %v, error %v", z, err)
		}
	})
}

// keep runs a keeper in the bubble of a test for a while.
func keep(t *testing.T, opts snapshot.Options, whilst func(*snapshot.Keeper)) {
	t.Helper()
	k, err := snapshot.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	whilst(k)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestKeeper(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	synctest.Test(t, func(t *testing.T) {
		// A first run writes the file soon after its lists.
		z := kubedns.NewZone(kubedns.Options{})
		keep(t, snapshot.Options{Path: path, Zone: z, Domain: domain}, func(*snapshot.Keeper) {
			time.Sleep(5 * time.Second)
			if _, err := os.Stat(path); err == nil {
				t.Error("a file without data")
			}
			fill(z)
			z.MarkSynced()
			time.Sleep(time.Second)
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
			// A change is not written at once.
			before, _ := os.ReadFile(path)
			z.DeleteService(kubedns.Key{Namespace: "ns", Name: "web"})
			z.Publish()
			time.Sleep(time.Second)
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("written twice in a second")
			}
			time.Sleep(2 * time.Minute)
			if after, _ := os.ReadFile(path); bytes.Equal(before, after) {
				t.Error("a change was not written")
			}
			// Without changes it is confirmed.
			time.Sleep(10 * time.Minute)
			if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > 2*time.Minute {
				t.Errorf("confirmed %v, %v", info.ModTime(), err)
			}
			// A deleted or truncated file is written again.
			for name, harm := range map[string]func() error{
				"deleted": func() error { return os.Remove(path) },
				"cut":     func() error { return os.Truncate(path, 10) },
			} {
				if err := harm(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				if after, err := os.ReadFile(path); err != nil || !bytes.Contains(after, []byte("num")) {
					t.Errorf("%s: %d bytes, %v", name, len(after), err)
				}
			}
		})

		// The next run uses it if the source has no list for 2 s.
		z = kubedns.NewZone(kubedns.Options{})
		keep(t, snapshot.Options{Path: path, Zone: z, Domain: domain}, func(k *snapshot.Keeper) {
			time.Sleep(time.Second)
			if got := z.Status(); got != backend.NotReady {
				t.Errorf("status %v after a second", got)
			}
			time.Sleep(2 * time.Second)
			if _, stale := k.StaleSince(); z.Status() != backend.Stale || !stale {
				t.Errorf("status %v after three seconds", z.Status())
			}
			a, err := z.Records(t.Context(), backend.Query{Name: "set.ns.svc." + domain, Type: backend.TypeA, Limit: 100})
			if err != nil || len(a.Records) != 2 {
				t.Errorf("%v, %v", a.Records, err)
			}
			z.MarkSynced()
			if _, stale := k.StaleSince(); z.Status() != backend.Ready || stale {
				t.Error("still stale")
			}
		})

		// Too old for endpoints, then too old for everything.
		z = kubedns.NewZone(kubedns.Options{})
		keep(t, snapshot.Options{Path: path, Zone: z, Domain: domain, Failing: func() bool { return true }},
			func(*snapshot.Keeper) {
				time.Sleep(time.Second)
				if got := z.Status(); got != backend.Stale {
					t.Errorf("status %v when the source fails", got)
				}
				time.Sleep(2 * time.Hour)
				if _, err := z.Records(t.Context(), backend.Query{Name: "set.ns.svc." + domain, Type: backend.TypeA,
					Limit: 100}); err == nil {
					t.Error("endpoints of two hours ago")
				}
				if a, err := z.Records(t.Context(), backend.Query{Name: "num.ns.svc." + domain, Type: backend.TypeA,
					Limit: 100}); err != nil || len(a.Records) != 1 {
					t.Errorf("%v, %v", a.Records, err)
				}
				time.Sleep(24 * time.Hour)
				if got := z.Status(); got != backend.NotReady {
					t.Errorf("status %v after a day", got)
				}
			})
		z = kubedns.NewZone(kubedns.Options{})
		keep(t, snapshot.Options{Path: path, Zone: z, Domain: domain, Failing: func() bool { return true }},
			func(*snapshot.Keeper) {
				time.Sleep(time.Second)
				if got := z.Status(); got != backend.NotReady {
					t.Errorf("status %v with a file of yesterday", got)
				}
			})
	})
}

// A file from the future has no reliable age.
func TestKeeperIgnoresTheFuture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	synctest.Test(t, func(t *testing.T) {
		for ahead, want := range map[time.Duration]backend.Status{30 * time.Second: backend.Stale,
			time.Hour: backend.NotReady} {
			if err := os.WriteFile(path, encoded(t), 0o600); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(ahead)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
			z := kubedns.NewZone(kubedns.Options{})
			keep(t, snapshot.Options{Path: path, Zone: z, Domain: domain, Failing: func() bool { return true }},
				func(*snapshot.Keeper) {
					time.Sleep(time.Second)
					if got := z.Status(); got != want {
						t.Errorf("%v ahead: status %v, want %v", ahead, got, want)
					}
				})
		}
	})
}

// With constant changes, the file is written at most once a minute, a large one more rarely, and
// never confirmed with old content.
func TestKeeperBoundsItsWrites(t *testing.T) {
	for name, services := range map[string]int{"small": 10, "large": 20_000} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "snapshot")
			synctest.Test(t, func(t *testing.T) {
				z := kubedns.NewZone(kubedns.Options{})
				set := func(n, to int) {
					key := kubedns.Key{Namespace: "ns", Name: fmt.Sprintf("web-%d", n)}
					z.SetService(kubedns.Service{Key: key,
						ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(to), byte(n >> 8), byte(n)})}})
				}
				for i := range services {
					set(i, 0)
				}
				z.Publish()
				z.MarkSynced()
				keep(t, snapshot.Options{Path: path, Zone: z, Domain: domain}, func(*snapshot.Keeper) {
					var bytes int64
					writes, last := 0, ""
					for i := range 360 { // an hour
						time.Sleep(10 * time.Second)
						data, err := os.ReadFile(path)
						if err != nil {
							t.Fatal(err)
						}
						head, _, _ := strings.Cut(string(data), "\n")
						if head != last {
							last = head
							writes++
							bytes += int64(len(data))
						} else if info, err := os.Stat(path); err != nil ||
							!strings.Contains(head, info.ModTime().UTC().Format(time.RFC3339)) {
							t.Fatalf("confirmed at %v without a write: %s, %v", info.ModTime(), head, err)
						}
						set(0, i)
						z.Publish()
					}
					if most := int64(3600 * 32 << 10); writes < 2 || writes > 61 || bytes > most+most/5 {
						t.Errorf("%d writes of %d bytes in an hour", writes, bytes)
					}
				})
			})
		})
	}
}

// Decode returns every object that the zone accepted from the API server, regardless of the checks
// for manifests.
func TestDecodeTrustsItsOwn(t *testing.T) {
	z := kubedns.NewZone(kubedns.Options{})
	fill(z)
	odd := kubedns.Key{Namespace: "ns", Name: "odd"}
	z.SetService(kubedns.Service{Key: odd, ExternalName: "under_score.example"})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "ns", Name: "long"}, ExternalName: strings.Repeat("a", 64) +
		".example"})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "ns", Name: "quoted"},
		ExternalName: "a\"b\\c\t\u00fc.example"})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "under_score", Name: "9"}, Headless: true})
	z.SetEndpoints(kubedns.Endpoints{Key: kubedns.Key{Namespace: "under_score", Name: "9"}, Service: "9", AnyReady: true,
		Subsets: []kubedns.Subset{{
			Ports:     []kubedns.Port{{Name: "-p-", Protocol: "sctp", Number: 1}, {Name: "p", Protocol: "quic", Number: 2}},
			Endpoints: []kubedns.Endpoint{{Addr: netip.MustParseAddr("10.0.0.1"), Hostname: "dotted.name", Ready: true}},
		}}})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "ns", Name: "ports"},
		ClusterIPs: []netip.Addr{netip.MustParseAddr("10.0.0.9")},
		Ports:      []kubedns.Port{{Name: "under_score", Protocol: "tcp", Number: 1}}})
	z.Publish()
	var b bytes.Buffer
	if err := snapshot.Encode(&b, z, domain, time.Now()); err != nil {
		t.Fatal(err)
	}
	again, _, err := snapshot.Decode(b.Bytes(), domain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dump(t, z), dump(t, again)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
