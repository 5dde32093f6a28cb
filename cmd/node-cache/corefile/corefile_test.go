package corefile_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
)

var update = flag.Bool("update", false, "write the wanted Corefiles")

func values() corefile.Values {
	return corefile.Values{
		LocalIPs:        []netip.Addr{netip.MustParseAddr("169.254.20.10"), netip.MustParseAddr("10.96.0.10")},
		DNSPort:         53,
		ClusterUpstream: []netip.Addr{netip.MustParseAddr("10.96.0.3")},
		Prometheus:      ":9253",
	}
}

func withMap() corefile.Values {
	v := values()
	v.Upstreams = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.11:53"),
		netip.MustParseAddrPort("[2001:db8::11]:5353")}
	v.Stubs = []corefile.Stub{
		{Domain: "z.example", Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"),
			netip.MustParseAddrPort("192.0.2.2:5353")}},
		{Domain: "a.example", Servers: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:53")}},
		{Domain: "cluster.local", Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}},
		{Domain: "named.example", Missing: []string{"ns.example"}},
		{Domain: "none.example"},
	}
	return v
}

// The Corefiles of common installers, each with and without the ConfigMap kube-dns.
func TestInstallers(t *testing.T) {
	bases, err := filepath.Glob("testdata/*.base")
	if err != nil || len(bases) != 6 {
		t.Fatalf("%d templates, %v", len(bases), err)
	}
	for _, path := range bases {
		for name, v := range map[string]corefile.Values{"plain": values(), "map": withMap()} {
			wanted := strings.TrimSuffix(path, "base") + name
			t.Run(filepath.Base(wanted), func(t *testing.T) {
				text, warnings := corefile.Render(read(t, path), v)
				text, more := corefile.Adapt(text, corefile.Facts{ClusterUpstream: v.ClusterUpstream})
				for _, w := range slices.Concat(warnings, more) {
					text += "# warning: " + w + "\n"
				}
				if *update {
					if err := os.WriteFile(wanted, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(read(t, wanted), text); diff != "" {
					t.Errorf("(-want +got, -update writes it):\n%s", diff)
				}
			})
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A forward without any usable server answers SERVFAIL with a reason, and does not prevent CoreDNS
// from starting.
func TestForwardWithoutServers(t *testing.T) {
	tests := map[string]struct{ base, want string }{
		"unknown cluster upstream": {
			". {\n    forward . __PILLAR__CLUSTER__DNS__ {\n        force_tcp\n    }\n}\n",
			". {\n    unavailable \"the address of the cluster upstream is not in the environment " +
				"(-upstreamsvc)\"\n}\n",
		},
		"empty resolv.conf": {
			". {\n    forward . __PILLAR__UPSTREAM__SERVERS__\n}\n",
			". {\n    unavailable \"there is no nameserver in /etc/resolv.conf\"\n}\n",
		},
		"one of two": {
			". {\n    forward . /etc/resolv.conf 192.0.2.1\n}\n",
			". {\n    pending\n    clients 1000\n    forward .  192.0.2.1 {\n        max_concurrent 1000\n    }\n}\n",
		},
		"enough": {
			". {\n    forward . 192.0.2.1\n}\n",
			". {\n    pending\n    clients 1000\n    forward . 192.0.2.1 {\n        max_concurrent 1000\n    }\n}\n",
		},
		"own limit": {
			". {\n    forward . 192.0.2.1 {\n        max_concurrent 5\n    }\n}\n",
			". {\n    pending\n    clients 5\n    forward . 192.0.2.1 {\n        max_concurrent 5\n    }\n}\n",
		},
		"no limit": {
			". {\n    forward . 192.0.2.1 {\n        max_concurrent 0\n    }\n}\n",
			". {\n    pending\n    forward . 192.0.2.1 {\n        max_concurrent 0\n    }\n}\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := values()
			v.ClusterUpstream = nil
			text, _ := corefile.Render(tt.base, v)
			got, _ := corefile.Adapt(text, corefile.Facts{Empty: []string{"/etc/resolv.conf"}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlaceholders(t *testing.T) {
	v := values()
	v.LocalIPs = []netip.Addr{netip.MustParseAddr("fd00::a"), netip.MustParseAddr("10.96.0.10")}
	v.Prometheus = "192.0.2.9:1"
	base := ". {\n bind __PILLAR__LOCAL__DNS__\n health __PILLAR__LOCAL__DNS__:8080\n prometheus " +
		"__PROMETHEUS__ENDPOINT__\n # __PILLAR__DNS__SERVER__\n}\n"
	want := ". {\n bind fd00::a 10.96.0.10\n health [fd00::a]:8080\n prometheus 192.0.2.9:1\n # " +
		"__PILLAR__DNS__SERVER__\n}\n"
	if got, _ := corefile.Render(base, v); got != want {
		t.Errorf("got %s", got)
	}
}

func TestTooManyStubServers(t *testing.T) {
	v := values()
	stub := corefile.Stub{Domain: "a.example"}
	for i := range 20 {
		stub.Servers = append(stub.Servers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 53))
	}
	v.Stubs = []corefile.Stub{stub}
	text, warnings := corefile.Render("", v)
	if got := strings.Count(text, "192.0.2."); got != 15 || len(warnings) != 1 {
		t.Errorf("%d servers, warnings %q", got, warnings)
	}
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		text string
		want int
	}{
		"good":                  {". {\n errors\n}\na.example b.example {\n errors\n import x\n}\n", 0},
		"unknown plugin":        {". {\n errors\n acl {\n  x\n }\n}\n", 1},
		"zone twice":            {"a.example:53 {\n errors\n}\nb.example dns://A.example. {\n errors\n}\n", 1},
		"zone on two ports":     {"a.example {\n errors\n}\na.example:54 {\n errors\n}\n", 0},
		"zone on two addresses": {". {\n bind 10.0.0.1\n}\n. {\n bind 10.0.0.2\n}\n", 0},
		"network twice":         {"10.0.0.0/8 {\n errors\n}\n10.in-addr.arpa {\n errors\n}\n", 1},
		"brace":                 {". {\n errors\n", 1},
		"quote":                 {". {\n errors \"\n}\n", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := corefile.Check(tt.text, []string{"errors", "bind"}, 53); len(got) != tt.want {
				t.Errorf("got %q, want %d problems", got, tt.want)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	text := ". {\n forward . /etc/resolv.conf 192.0.2.1 /other\n}\na {\n forward . /etc/resolv.conf\n}\n"
	want := []string{"/etc/resolv.conf", "/other"}
	if diff := cmp.Diff(want, corefile.Files(text)); diff != "" {
		t.Error(diff)
	}
}

// For any template, nothing panics, and an adapted Corefile is not changed again.
func FuzzRender(f *testing.F) {
	for _, path := range []string{"standard", "kubespray", "kops", "gardener", "gke", "deckhouse"} {
		text, err := os.ReadFile("testdata/" + path + ".base")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "a.example")
	}
	f.Add("a {\n cache # {\n forward . 10.96.0.3\n}", "a")
	f.Add("a {\n \"cache\" \"x\ny\" {\n }\n forward . 10.96.0.3\n}", "A.")
	f.Fuzz(func(t *testing.T, template, domain string) {
		v := withMap()
		v.Stubs = append(v.Stubs, corefile.Stub{Domain: domain, Missing: []string{domain}})
		text, _ := corefile.Render(template, v)
		facts := corefile.Facts{ClusterUpstream: v.ClusterUpstream, Empty: []string{"/etc/resolv.conf"}}
		once, _ := corefile.Adapt(text, facts)
		if twice, _ := corefile.Adapt(once, facts); twice != once {
			t.Errorf("adapted twice (-once +twice):\n%s", cmp.Diff(once, twice))
		}
		corefile.Check(once, []string{"cache"}, 53)
		corefile.Files(once)
	})
}

func TestClusterZone(t *testing.T) {
	facts := corefile.Facts{ClusterUpstream: values().ClusterUpstream}
	for path, want := range map[string]string{"standard": "cluster.local.", "gardener": "cluster.local.",
		"kubespray": "cluster.local."} {
		text, _ := corefile.Render(read(t, "testdata/"+path+".base"), values())
		if got := corefile.ClusterZone(text, facts); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := corefile.ClusterZone(". {\n forward . 10.96.0.3\n}\n", facts); got != "" {
		t.Errorf("got %q, want none", got)
	}
}

// TestBothFamilies has an upstream of each family: forward has both, over UDP, and their zone
// serves expired replies.
func TestBothFamilies(t *testing.T) {
	v := values()
	v.ClusterUpstream = []netip.Addr{netip.MustParseAddr("10.96.0.3"), netip.MustParseAddr("fd00:96::3")}
	facts := corefile.Facts{ClusterUpstream: v.ClusterUpstream}
	for forward, want := range map[string]string{
		"__PILLAR__CLUSTER__DNS__": "forward . 10.96.0.3 fd00:96::3 {\n     max_concurrent 1000\n  prefer_udp\n",
		"__PILLAR__CLUSTER__DNS__:53": "forward . 10.96.0.3:53 [fd00:96::3]:53 {\n     max_concurrent 1000\n  " +
			"prefer_udp\n",
	} {
		text, _ := corefile.Render("cluster.local {\n cache 30\n forward . "+forward+" {\n  force_tcp\n }\n}\n", v)
		got, warnings := corefile.Adapt(text, facts)
		if !strings.Contains(got, want) || !strings.Contains(got, "serve_stale") || len(warnings) > 0 {
			t.Errorf("got %s with warnings %q, want %s", got, warnings, want)
		}
	}
}
