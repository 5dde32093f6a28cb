package coredns_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// The Corefiles of common installers are loaded and answer, with imports of files, snippets and
// environment variables.
func TestInstallers(t *testing.T) {
	bases, err := filepath.Glob("../corefile/testdata/*.base")
	if err != nil || len(bases) != 6 {
		t.Fatalf("%d templates, %v", len(bases), err)
	}
	for _, path := range bases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			template := string(must(os.ReadFile(path)))
			t.Chdir(t.TempDir())
			addr := dnstest.FreeAddr(t)
			kubeDNS, outside := answering(t, "192.0.2.1", nil), answering(t, "192.0.2.2", nil)
			t.Setenv("MY_HOST_IP", "127.0.0.1")
			writeFile(t, "resolv.conf", "nameserver 127.0.0.1\n")
			writeFile(t, "custom/one.server", "custom.example:53 {\n bind 127.0.0.1\n hosts {\n  192.0.2.3 "+
				"a.custom.example\n }\n}\n")
			// Here everything is on one address with free ports.
			local := func(text string) string {
				port, health := ":"+strconv.Itoa(int(addr.Port())), ":"+strconv.Itoa(int(dnstest.FreeAddr(t).Port()))
				return strings.NewReplacer(
					"169.254.20.10 10.96.0.10", "127.0.0.1", "169.254.20.10", "127.0.0.1", "169.254.25.10", "127.0.0.1",
					" 10.96.0.3", " "+kubeDNS.Addr(), "/etc/resolv.conf", "resolv.conf", ":53 ", port+" ",
					":9253", ":0", ":4224", ":0", ":9254", health, ":8080", health, ":8099", health, ":3989", health,
				).Replace(text)
			}
			writeFile(t, "custom/one.server", local(string(must(os.ReadFile("custom/one.server")))))
			template = local(template)
			v := corefile.Values{
				LocalIPs: []netip.Addr{addr.Addr()}, DNSPort: addr.Port(),
				ClusterUpstream: []netip.Addr{kubeDNS.AddrPort().Addr()},
				Prometheus:      "127.0.0.1:0", Upstreams: []netip.AddrPort{outside.AddrPort()},
				Stubs: []corefile.Stub{{Domain: "stub.example", Servers: []netip.AddrPort{outside.AddrPort()}}},
			}
			template = strings.ReplaceAll(template, "__PILLAR__CLUSTER__DNS__", kubeDNS.Addr())
			text, _ := corefile.Render(template, v)
			text, _ = corefile.Adapt(text, corefile.Facts{ClusterUpstream: v.ClusterUpstream})
			start(t, addr, text)
			want := map[string]string{"a.cluster.local.": "192.0.2.1", "a.stub.example.": "192.0.2.2"}
			if strings.Contains(template, "import custom") {
				want["a.custom.example."] = "192.0.2.3"
			}
			for name, ip := range want {
				if got := ask(t, addr, name); len(got.Answer) != 1 || !strings.HasSuffix(got.Answer[0].String(), ip) {
					t.Errorf("%s: %v", name, got)
				}
			}
		})
	}
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
