package config_test

import (
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// Servers over TLS are for readers that can use them. They are returned as written.
func TestParseTLS(t *testing.T) {
	files := map[string]string{
		"stubDomains":         `{"acme.example": ["tls://[2001:db8::1]:8853", "192.0.2.3"]}`,
		"upstreamNameservers": `["tls://192.0.2.1", "tls://192.0.2.2:853#dns.example.com", "192.0.2.1"]`,
	}
	cfg, err := config.ParseTLS(files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ns := range cfg.Upstreams {
		got = append(got, ns.String())
	}
	got = append(got, cfg.StubDomains[0].Servers[0].String())
	want := "tls://192.0.2.1:853 tls://192.0.2.2:853#dns.example.com 192.0.2.1:53 tls://[2001:db8::1]:8853"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	again, err := config.ParseTLS(config.Format(cfg))
	if err != nil || !config.Equal(again, cfg) {
		t.Errorf("formatted: %v, %v", again, err)
	}
	for _, key := range []string{"stubDomains", "upstreamNameservers"} {
		_, err := config.Parse(map[string]string{key: files[key]})
		if err == nil || !strings.Contains(err.Error(), "dnsmasq cannot send queries over TLS") {
			t.Errorf("%s for a reader without TLS: %v", key, err)
		}
	}
	for value, want := range map[string]string{
		`["tls://dns.example.com"]`: "want tls:// and an IP address",
		`["tls://"]`:                "want tls:// and an IP address",
		`["TLS://192.0.2.1"]`:       `server "TLS://192.0.2.1": want an IP address`,
		`["tls://192.0.2.1:0"]`: "a port is a number from 1 to 65535; want tls:// and an IP " +
			"address",
		`["tls://192.0.2.300"]`: "an IPv4 address is four numbers from 0 to 255 without " +
			"leading zeros; want tls://",
		`["tls://0.0.0.0"]`:                                  "this is the unspecified address",
		`["tls://224.0.0.1#dns.example.com"]`:                "this is a multicast address",
		`["tls://fe80::1%eth0"]`:                             "means something else on every node; want tls://",
		`["tls://192.0.2.1#dns.example.com#other"]`:          "the name after #: ",
		`["tls://192.0.2.1#"]`:                               "the name after #: ",
		`["tls://192.0.2.1#a_b.example"]`:                    "the name after #: ",
		`["tls://192.0.2.1", "tls://192.0.2.1#example.com"]`: "the same address is also given as tls://192.0.2.1:853",
		`["192.0.2.1:853", "tls://192.0.2.1"]`:               "the same address is also given as 192.0.2.1:853",
	} {
		_, err := config.ParseTLS(map[string]string{"upstreamNameservers": value})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "upstreamNameservers") {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}
