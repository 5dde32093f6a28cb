package dnsmasq

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// parse returns the configuration with these keys and values.
func parse(t *testing.T, keys ...string) config.Config {
	t.Helper()
	files := map[string]string{}
	for i := 0; i < len(keys); i += 2 {
		files[keys[i]] = keys[i+1]
	}
	cfg, err := config.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const (
	stubs     = "stubDomains"
	upstreams = "upstreamNameservers"
)

func TestArgs(t *testing.T) {
	known := func(host string) []netip.Addr {
		switch host {
		case "dns.widget.test":
			return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
		case "alias.widget.test":
			return []netip.Addr{netip.MustParseAddr("192.0.2.7")}
		}
		return nil
	}
	tests := map[string]struct {
		keys []string
		want string
	}{
		"nothing configured": {nil, "--abc"},
		"stub domains are sorted": {
			[]string{stubs, `{"widget.test":["2.2.2.2:10053","3.3.3.3"],"acme.test":["1.1.1.1"]}`},
			"--abc --server /acme.test/1.1.1.1 --server /widget.test/2.2.2.2#10053 --server /widget.test/3.3.3.3",
		},
		"upstreams stand in the order given": {
			[]string{upstreams, `["3.3.3.3:10053","2.2.2.2"]`},
			"--abc --server 3.3.3.3#10053 --server 2.2.2.2 --no-resolv",
		},
		"IPv6 upstream": {
			[]string{upstreams, `["2001:db8::1"]`},
			"--abc --server 2001:db8::1 --no-resolv",
		},
		"IPv6 with a port has no brackets": {
			[]string{stubs, `{"a.test":["[2001:db8::1]:5353"]}`, upstreams, `["[2001:db8::2]:5353"]`},
			"--abc --server /a.test/2001:db8::1#5353 --server 2001:db8::2#5353 --no-resolv",
		},
		"a name stands for all its addresses, each once": {
			[]string{stubs, `{"a.test":["192.0.2.1","dns.widget.test","alias.widget.test"]}`},
			"--abc --server /a.test/192.0.2.1 --server /a.test/192.0.2.7 --server /a.test/2001:db8::7",
		},
		"a name without an address is left out": {
			[]string{stubs, `{"a.test":["unknown.widget.test","192.0.2.1"],"b.test":["unknown.widget.test"]}`},
			"--abc --server /a.test/192.0.2.1",
		},
		"a stub domain without servers":   {[]string{stubs, `{"a.test":[]}`}, "--abc"},
		"federations are not for dnsmasq": {[]string{"federations", "f=example.com"}, "--abc"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			base := append(make([]string, 0, 10), "--abc")
			got := strings.Join(Args(base, parse(t, tt.keys...), known), " ")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			if extra := base[:2][1]; extra != "" {
				t.Errorf("base's array was written to: %q", extra)
			}
		})
	}
}

func TestFileArgs(t *testing.T) {
	const path = " --servers-file=/state/servers.conf"
	tests := map[string]struct {
		base      string
		upstreams bool
		want      string // what follows path
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
			cmd, err := readCommandLine(strings.Fields(tt.base), "")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(fileArgs(cmd, "/state/servers.conf", []string{"--added=1"}, tt.upstreams), " ")
			if want := tt.base + path + tt.want + " --added=1"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRender(t *testing.T) {
	list := []Server{
		{"a.test", netip.MustParseAddrPort("192.0.2.1:5353")},
		{"", netip.MustParseAddrPort("[fe80::1%eth0]:53")},
	}
	const want = `# Written by dnsmasq-nanny from its configuration. Changes made here are lost.
server=/a.test/192.0.2.1#5353
server=fe80::1%eth0
`
	if diff := cmp.Diff(want, string(render(list))); diff != "" {
		t.Errorf("servers file (-want +got):\n%s", diff)
	}
}
