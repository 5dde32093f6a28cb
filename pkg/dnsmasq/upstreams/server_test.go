package upstreams

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
	keyStubs     = "stubDomains"
	keyUpstreams = "upstreamNameservers"
)

func TestFromConfig(t *testing.T) {
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
		"nothing configured": {nil, ""},
		"stub domains are sorted": {
			[]string{keyStubs, `{"widget.test":["2.2.2.2:10053","3.3.3.3"],"acme.test":["1.1.1.1"]}`},
			"/acme.test/1.1.1.1 /widget.test/2.2.2.2#10053 /widget.test/3.3.3.3",
		},
		"upstreams stand in the order given": {
			[]string{keyUpstreams, `["3.3.3.3:10053","2.2.2.2"]`},
			"3.3.3.3#10053 2.2.2.2",
		},
		"IPv6 upstream": {
			[]string{keyUpstreams, `["2001:db8::1"]`},
			"2001:db8::1",
		},
		"IPv6 with a port has no brackets": {
			[]string{keyStubs, `{"a.test":["[2001:db8::1]:5353"]}`, keyUpstreams, `["[2001:db8::2]:5353"]`},
			"/a.test/2001:db8::1#5353 2001:db8::2#5353",
		},
		"a name stands for all its addresses, each once": {
			[]string{keyStubs, `{"a.test":["192.0.2.1","dns.widget.test","alias.widget.test"]}`},
			"/a.test/192.0.2.1 /a.test/192.0.2.7 /a.test/2001:db8::7",
		},
		"a name without an address is left out": {
			[]string{keyStubs, `{"a.test":["unknown.widget.test","192.0.2.1"],"b.test":["unknown.widget.test"]}`},
			"/a.test/192.0.2.1",
		},
		"a stub domain without servers":   {[]string{keyStubs, `{"a.test":[]}`}, ""},
		"federations are not for dnsmasq": {[]string{"federations", "f=example.com"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Texts(FromConfig(parse(t, tt.keys...), known)), " ")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("servers (-want +got):\n%s", diff)
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
