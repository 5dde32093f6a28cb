package cmdline

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

func TestWithServers(t *testing.T) {
	servers := []upstreams.Server{
		{Domain: "a.test", Addr: netip.MustParseAddrPort("[2001:db8::1]:5353")},
		{Addr: netip.MustParseAddrPort("192.0.2.1:53")},
	}
	base := append(make([]string, 0, 10), "--abc")
	got := strings.Join(WithServers(base, servers, true), " ")
	if want := "--abc --server /a.test/2001:db8::1#5353 --server 192.0.2.1 --no-resolv"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if extra := base[:2][1]; extra != "" {
		t.Errorf("base's array was written to: %q", extra)
	}
	if got := WithServers(base, nil, false); len(got) != 1 {
		t.Errorf("got %q, want only --abc", got)
	}
}

func TestWithFile(t *testing.T) {
	const path = " --servers-file=/state/servers.conf"
	tests := map[string]struct {
		base      string
		upstreams bool
		want      string // the arguments after path
	}{
		"usual":                          {"-k", false, " --no-resolv"},
		"usual, upstreams":               {"-k", true, " --no-resolv"},
		"no-resolv is set, clustered":    {"-kR", false, ""},
		"no-resolv is set, upstreams":    {"-kR", true, ""},
		"a server of its own":            {"-kS192.0.2.1", false, ""},
		"a server of its own, upstreams": {"-kS192.0.2.1", true, " --no-resolv"},
		"a server for a domain":          {"-kS/a.test/192.0.2.1", false, " --no-resolv"},
		"a configuration file":           {"-k -C /dev/null", false, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd, err := readWith(strings.Fields(tt.base), "")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(WithFile(cmd, "/state/servers.conf", []string{"--added=1"}, tt.upstreams), " ")
			if want := tt.base + path + tt.want + " --added=1"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
