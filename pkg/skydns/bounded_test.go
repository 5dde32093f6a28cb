package skydns_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// manyTargets counts the records that the server reads for one reply.
type manyTargets struct {
	*fake
	taken *int
}

func (b manyTargets) PlainRecords(_ string, qtype uint16) backend.Plain {
	if qtype != backend.TypeSRV {
		return backend.Plain{}
	}
	return backend.Plain{Kind: backend.PlainTargets, TTL: 30, Targets: b}
}

func (b manyTargets) PlainReverse(netip.Addr) backend.Plain { return backend.Plain{} }

const targets = 5000

func (b manyTargets) CountTargets(int) int    { return targets }
func (b manyTargets) SeekTarget(_, n int) int { return n }
func (b manyTargets) host(at int) (label []byte) {
	return []byte{'a' + byte(at%26), 'a' + byte(at/26%26), 'a' + byte(at/676)}
}

func (b manyTargets) NextTarget(_, at, _ int, t *backend.Target) int {
	*b.taken++
	addr := []byte{10, 0, byte(at >> 8), byte(at)}
	*t = backend.Target{ID: at, Label: b.host(at), Host: "cluster.local.", Port: 80, A: addr}
	return (at + 1) % targets
}

// Records returns the requested number of records.
func (b manyTargets) Records(_ context.Context, q backend.Query) (backend.Answer, error) {
	a := backend.Answer{Total: targets}
	for at := range min(q.Limit, targets) {
		*b.taken++
		a.Records = append(a.Records, srv(string(b.host(at))+".cluster.local.", 80, "10.0.0.1"))
	}
	return a, nil
}

// TestTruncatedRepliesTakeFewRecords: the work for a truncated reply is bounded by its size, not by
// the number of records.
func TestTruncatedRepliesTakeFewRecords(t *testing.T) {
	taken := 0
	s, err := skydns.New(skydns.Options{
		Domain: "cluster.local.", Backend: manyTargets{&fake{status: backend.Ready}, &taken},
		Forwarder: newForwarder(t, netip.AddrPort{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	const smallest = 18 + len("cluster.local.") // an SRV record, less the label of its target
	for path, respond := range map[string]func([]byte) []byte{"fast": s.FastForTest(false), "slow": s.SlowForTest(false)} {
		for _, name := range []string{"web.cluster.local.", "*.cluster.local."} {
			if path == "fast" && strings.HasPrefix(name, "*") {
				continue
			}
			for _, size := range []uint16{0, 512, 1232, 4096, 65535} {
				q := new(dns.Msg).SetQuestion(name, dns.TypeSRV)
				limit := 512
				if size > 0 {
					q.SetEdns0(size, false)
					limit = min(int(size), 4096)
				}
				packet, err := q.Pack()
				if err != nil {
					t.Fatal(err)
				}
				taken = 0
				reply := respond(packet)
				if strings.HasPrefix(name, "*") {
					if reply != nil || taken > 0 {
						t.Errorf("%s path, %s: took %d records in the reading goroutine, want none", path, name, taken)
					}
					continue
				}
				m := unpacked(t, packet, reply)
				if !m.Truncated || len(m.Answer) == 0 || len(reply) > limit {
					t.Errorf("%s path, size %d: got %d records, TC %v, %d bytes", path, size, len(m.Answer), m.Truncated, len(reply))
				}
				if want := limit/smallest + 1; taken > want {
					t.Errorf("%s path, size %d: took %d records, want at most %d", path, size, taken, want)
				}
			}
		}
	}
}

// TestLongZone: a zone without room for the names of Services is refused. In the longest accepted
// zone, the longest names can be packed.
func TestLongZone(t *testing.T) {
	longest := strings.Repeat("z", 63) + "." + strings.Repeat("y", skydns.MaxDomain-64) + "."
	for domain, accepted := range map[string]bool{
		longest: true,
		strings.Repeat("z", 63) + "." + strings.Repeat("y", skydns.MaxDomain-63) + ".": false,
		strings.Repeat(strings.Repeat("z", 60)+".", 3) + "test.":                       false, // 188 characters
	} {
		z := kubedns.NewZone(kubedns.Options{Domain: domain})
		k := kubedns.Key{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("s", 63)}
		z.SetService(kubedns.Service{Key: k, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}})
		z.Publish()
		z.MarkSynced()
		s, err := skydns.New(skydns.Options{Domain: domain, Backend: z, Forwarder: newForwarder(t, netip.AddrPort{})})
		if (err == nil) != accepted {
			t.Errorf("a zone of %d characters: got error %v, want accepted %v", len(domain)-1, err, accepted)
		}
		if err != nil {
			continue
		}
		for path, respond := range map[string]func([]byte) []byte{"fast": s.FastForTest(true), "slow": s.SlowForTest(true)} {
			packet, err := dnstest.Query("1.0.0.10.in-addr.arpa", dns.TypePTR).Pack()
			if err != nil {
				t.Fatal(err)
			}
			m := new(dns.Msg)
			if err := m.Unpack(respond(packet)); err != nil || len(m.Answer) != 1 {
				t.Errorf("a zone of %d characters, %s path: got %v (%v), want one name", len(domain)-1, path, m, err)
			}
		}
	}
}

// TestZoneNames: a zone that no query can match is refused, with the reason.
func TestZoneNames(t *testing.T) {
	for domain, accepted := range map[string]bool{
		"cluster.local.": true, "k8s.": true, "_x.example.": true, "1.example.": true,
		"cluster..local.": false, ".cluster.local.": false, "cluster.local..": false, "..": false, ".": false, "": false,
		"cluster.local": false, "Cluster.local.": false, `a\.b.example.`: false, `a\046b.example.`: false,
		strings.Repeat("z", 64) + ".example.": false,
	} {
		opts := skydns.Options{Domain: domain, Backend: zone(), Forwarder: newForwarder(t, netip.AddrPort{})}
		_, err := skydns.New(opts)
		if (err == nil) != accepted {
			t.Errorf("zone %q: got error %v, want accepted %v", domain, err, accepted)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q: want a name in lower case", domain)) {
			t.Errorf("zone %q: got error %q", domain, err)
		}
		if accepted {
			continue
		}
		opts.Domain, opts.SearchDomains = "cluster.local.", []string{domain}
		if _, err := skydns.New(opts); err == nil {
			t.Errorf("search domain %q was accepted", domain)
		}
	}
}
