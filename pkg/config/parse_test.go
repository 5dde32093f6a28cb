package config_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// equateNameservers makes cmp compare whole addresses.
var equateNameservers = cmpopts.EquateComparable(config.Nameserver{})

func nameserver(addrPort string) config.Nameserver {
	return config.Nameserver{AddrPort: netip.MustParseAddrPort(addrPort)}
}

func address(addrPort string) config.StubServer {
	return config.StubServer{Nameserver: nameserver(addrPort)}
}

// readTestdata parses the directory testdata/name.
func readTestdata(t *testing.T, name string) (config.Config, error) {
	t.Helper()
	files, _, err := config.Read(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return config.Parse(files)
}

func TestParseGood(t *testing.T) {
	tests := []struct {
		dir  string // below testdata
		want config.Config
	}{
		{"good-empty-directory", config.Config{}},
		{"good-blank-files", config.Config{}},
		{"good-null", config.Config{}},
		{"good-empty-values", config.Config{}},
		{"good-everything", config.Config{
			Federations: map[string]string{"myfed": "fed.example.com", "other": "other.example"},
			StubDomains: []config.StubDomain{
				{Domain: "acme.example", Servers: []config.StubServer{
					address("192.0.2.9:53"), address("192.0.2.8:5353"),
					address("[2001:db8::5]:53"), address("[2001:db8::6]:54"),
				}},
				{Domain: "widget.example", Servers: []config.StubServer{{Host: "ns.widget.example"}}},
			},
			Upstreams: []config.Nameserver{
				nameserver("192.0.2.53:53"), nameserver("192.0.2.54:5353"),
				nameserver("[2001:db8::53]:53"), nameserver("[2001:db8::54]:5353"),
			},
		}},
		{"good-unknown-keys", config.Config{
			Upstreams: []config.Nameserver{nameserver("192.0.2.53:53")}, Mistyped: []string{"StubDomains"},
		}},
		{"good-federation-twice-last-counts", config.Config{
			Federations: map[string]string{"a": "two.example"},
		}},
		{"good-stub-without-servers", config.Config{StubDomains: []config.StubDomain{
			{Domain: "empty.example"}, {Domain: "null.example"},
		}}},
		{"good-stub-reverse-zone", config.Config{StubDomains: []config.StubDomain{
			{Domain: "2.0.192.in-addr.arpa", Servers: []config.StubServer{address("192.0.2.1:53")}},
		}}},
		{"good-stub-twice-last-counts", config.Config{Repeated: []string{"acme.example"}, StubDomains: []config.StubDomain{
			{Domain: "acme.example", Servers: []config.StubServer{address("192.0.2.2:53")}},
		}}},
		{"good-stub-host-of-one-label", config.Config{StubDomains: []config.StubDomain{
			{Domain: "acme.example", Servers: []config.StubServer{{Host: "ns1"}}},
		}}},
		{"good-upstream-any-spelling", config.Config{Upstreams: []config.Nameserver{
			nameserver("[2001:db8::53]:53"), nameserver("[2001:db8::54]:5353"), nameserver("192.0.2.1:53"),
		}}},
		{"good-fifteen-upstreams", config.Config{Upstreams: fifteen()}},
	}
	tested := make(map[string]bool)
	for _, tt := range tests {
		tested[tt.dir] = true
		t.Run(tt.dir, func(t *testing.T) {
			got, err := readTestdata(t, tt.dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, equateNameservers); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
	checkAllTested(t, "good-", tested)
}

func fifteen() (list []config.Nameserver) {
	for i := range byte(15) {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, i + 1})
		list = append(list, config.Nameserver{AddrPort: netip.AddrPortFrom(addr, 53)})
	}
	return list
}

func TestParseInvalid(t *testing.T) {
	const (
		addressForms = `want an IP address, with a port if it is not 53: ` +
			`192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353`
		badIPv4    = `an IPv4 address is four numbers from 0 to 255 without leading zeros; `
		scoped     = `an address with a scope (%interface) means something else on every node; `
		objectForm = `want a JSON object of domains and their servers, ` +
			`for example {"acme.example": ["192.0.2.1", "192.0.2.2:5353"]}`
		arrayForm = `want a JSON array of addresses, for example ["192.0.2.1", "192.0.2.2:5353"]`
		labelForm = `a label (the part between dots) has only lower-case letters, digits and '-'`
	)
	tests := []struct {
		dir string // below testdata
		key string
		err string // after "key KEY: "
	}{
		{"invalid-federation-empty-domain", "federations",
			`"myfed=": the domain "" is not a domain name: a name must not be empty`},
		{"invalid-federation-empty-name", "federations",
			`"=fed.example.com": the name "" is not a label: a label must not be empty`},
		{"invalid-federation-name-with-dot", "federations",
			`"a.b=fed.example.com": the name "a.b" is not a label: ` + labelForm},
		{"invalid-federation-second-equals", "federations",
			`"myfed=fed=example.com": the domain "fed=example.com" is not a domain name: ` + labelForm},
		{"invalid-federation-trailing-comma", "federations",
			`"": want name=domain, for example myfed=fed.example.com`},
		{"invalid-federation-trailing-dot", "federations",
			`"myfed=fed.example.com.": the domain "fed.example.com." is not a domain name: ` +
				`a name is written without a trailing dot`},
		{"invalid-federation-upper-case", "federations",
			`"MyFed=fed.example.com": the name "MyFed" is not a label: ` + labelForm},
		{"invalid-federation-without-domain", "federations",
			`"myfed": want name=domain, for example myfed=fed.example.com`},
		{"invalid-one-bad-key-spoils-the-map", "stubDomains",
			`domain "bad_domain": ` + labelForm},
		{"invalid-stub-address-of-no-server", "stubDomains",
			`server "0.0.0.0" of domain "acme.example": this is the unspecified address, and no server has it; ` +
				`write the address of a name server, such as 192.0.2.1 or 2001:db8::1`},
		{"invalid-stub-typographic-quotes", "stubDomains",
			"invalid JSON in line 2: the typographic quote \u201c; write the plain quote \" in its place; " + objectForm},
		{"invalid-stub-array", "stubDomains",
			`a JSON array is out of place in line 1; ` + objectForm},
		{"invalid-stub-blank-in-server", "stubDomains",
			`server " 192.0.2.1" of domain "acme.example": ` + badIPv4 + addressForms},
		{"invalid-stub-cut-off", "stubDomains",
			`invalid JSON in line 2: unexpected end of JSON input; ` + objectForm},
		{"invalid-stub-empty-domain", "stubDomains",
			`domain "": a name must not be empty`},
		{"invalid-stub-empty-label", "stubDomains",
			`domain "acme..example": a label must not be empty`},
		{"invalid-stub-host-with-port", "stubDomains",
			`server "ns.acme.example:53" of domain "acme.example": a server given as a host name takes no port, its port is 53`},
		{"invalid-stub-hyphen-first", "stubDomains",
			`domain "-acme.example": a label must not begin or end with '-'`},
		{"invalid-stub-injection", "stubDomains",
			`server "192.0.2.1#53@eth0" of domain "acme.example": ` + labelForm + `; ` + addressForms + `, or a host name`},
		{"invalid-stub-leading-zero", "stubDomains",
			`server "010.0.0.1" of domain "acme.example": ` + badIPv4 + addressForms},
		{"invalid-stub-leading-zero-port", "stubDomains",
			`server "010.0.0.1:53" of domain "acme.example": ` + badIPv4 + addressForms},
		{"invalid-stub-long-domain", "stubDomains",
			`domain "` + strings.Repeat("abcdefghi.", 10) + `...": a name has at most 253 characters`},
		{"invalid-stub-long-label", "stubDomains",
			`domain "` + strings.Repeat("a", 64) + `.example": a label has at most 63 characters`},
		{"invalid-stub-null-for-server", "stubDomains",
			`server "" of domain "acme.example": a name must not be empty; ` + addressForms + `, or a host name`},
		{"invalid-stub-number-for-server", "stubDomains",
			`a JSON number is out of place in line 1; ` + objectForm},
		{"invalid-stub-octet-too-large", "stubDomains",
			`server "1.2.3.400" of domain "acme.example": ` + badIPv4 + addressForms},
		{"invalid-stub-port-empty", "stubDomains",
			`server "192.0.2.1:" of domain "acme.example": a port is a number from 1 to 65535`},
		{"invalid-stub-port-too-large", "stubDomains",
			`server "192.0.2.1:65536" of domain "acme.example": a port is a number from 1 to 65535`},
		{"invalid-stub-port-zero", "stubDomains",
			`server "192.0.2.1:0" of domain "acme.example": a port is a number from 1 to 65535`},
		{"invalid-stub-scope", "stubDomains",
			`server "fe80::1%eth0" of domain "acme.example": ` + scoped + addressForms},
		{"invalid-stub-string-for-servers", "stubDomains",
			`a JSON string is out of place in line 2; ` + objectForm},
		{"invalid-stub-trailing-data", "stubDomains",
			`invalid JSON in line 2: invalid character '{' after top-level value; ` + objectForm},
		{"invalid-stub-trailing-dot", "stubDomains",
			`domain "acme.example.": a name is written without a trailing dot`},
		{"invalid-stub-underscore", "stubDomains",
			`domain "bad_domain": ` + labelForm},
		{"invalid-stub-upper-case-domain", "stubDomains",
			`domain "Acme.example": ` + labelForm},
		{"invalid-stub-v4-as-v6", "stubDomains",
			`server "::ffff:192.0.2.1" of domain "acme.example": write this address in its canonical form, 192.0.2.1`},
		{"invalid-stub-v6-brackets-without-port", "stubDomains",
			`server "[2001:db8::1]" of domain "acme.example": ` + addressForms},
		{"invalid-stub-v6-garbage", "stubDomains",
			`server "fe80::zz" of domain "acme.example": ` + addressForms},
		{"invalid-stub-v6-not-canonical", "stubDomains",
			`server "2001:DB8::1" of domain "acme.example": write this address in its canonical form, 2001:db8::1`},
		{"invalid-stub-wildcard", "stubDomains",
			`domain "*.acme.example": ` + labelForm},
		{"invalid-upstream-bare-text", "upstreamNameservers",
			`invalid JSON in line 1: invalid character '.' after top-level value; ` + arrayForm},
		{"invalid-upstream-cut-off", "upstreamNameservers",
			`invalid JSON in line 1: unexpected end of JSON input; ` + arrayForm},
		{"invalid-upstream-empty", "upstreamNameservers",
			`server "": ` + addressForms},
		{"invalid-upstream-host", "upstreamNameservers",
			`server "resolver.example": ` + addressForms},
		{"invalid-upstream-leading-zero", "upstreamNameservers",
			`server "010.0.0.1": an IPv4 address is four numbers from 0 to 255 without leading zeros; ` + addressForms},
		{"invalid-upstream-object", "upstreamNameservers",
			`a JSON object is out of place in line 1; ` + arrayForm},
		{"invalid-upstream-port-empty", "upstreamNameservers",
			`server "192.0.2.1:": a port is a number from 1 to 65535`},
		{"invalid-upstream-port-zero", "upstreamNameservers",
			`server "192.0.2.1:0": a port is a number from 1 to 65535`},
		{"invalid-upstream-scope", "upstreamNameservers",
			`server "[fe80::1%eth0]:53": ` + scoped + addressForms},
		{"invalid-upstream-sixteen", "upstreamNameservers",
			`16 servers are too many: at most 15 are accepted`},
		{"invalid-upstream-v6-brackets-without-port", "upstreamNameservers",
			`server "[2001:db8::1]": ` + addressForms},
	}
	tested := make(map[string]bool)
	for _, tt := range tests {
		tested[tt.dir] = true
		t.Run(tt.dir, func(t *testing.T) {
			cfg, err := readTestdata(t, tt.dir)
			if err == nil {
				t.Fatalf("Parse made %+v, want an error", cfg)
			}
			if got, want := err.Error(), "key "+tt.key+": "+tt.err; got != want {
				t.Errorf("error\ngot  %s\nwant %s", got, want)
			}
			if got, ok := errors.AsType[*config.KeyError](err); !ok || got.Key != tt.key {
				t.Errorf("got error %#v, want a *KeyError of key %s", err, tt.key)
			}
			if !config.Equal(cfg, config.Config{}) {
				t.Errorf("got %+v beside an error, want the zero Config", cfg)
			}
		})
	}
	checkAllTested(t, "invalid-", tested)
}

// checkAllTested finds directories that no table names.
func checkAllTested(t *testing.T, prefix string, tested map[string]bool) {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && !tested[e.Name()] {
			t.Errorf("testdata/%s is in no table", e.Name())
		}
	}
}

// Addresses that no name server can have, in every key and spelling.
func TestAddressesOfNoServer(t *testing.T) {
	for _, addr := range []string{
		"0.0.0.0", "0.0.0.0:53", "0.1.2.3", "::", "[::]:5353",
		"224.0.0.251", "239.255.255.250:53", "ff02::fb", "[ff0e::1]:53",
		"255.255.255.255", "255.255.255.255:53",
		"[::ffff:0.0.0.0]:53", "[::ffff:224.0.0.1]:53", "[::ffff:255.255.255.255]:53", "::192.0.2.1",
	} {
		for key, text := range map[string]string{
			"stubDomains":         `{"acme.example": ["192.0.2.9", "` + addr + `"]}`,
			"upstreamNameservers": `["192.0.2.9", "` + addr + `"]`,
		} {
			_, err := config.Parse(map[string]string{key: text})
			invalid, ok := errors.AsType[*config.KeyError](err)
			if !ok || invalid.Key != key || !strings.Contains(invalid.Value, addr) {
				t.Errorf("%s %s: got %v, want an error about the key and the server", key, text, err)
			}
		}
		if _, err := config.ParseNameserver(addr); err == nil {
			t.Errorf("%s was taken as a name server", addr)
		}
	}
	for _, addr := range []string{"127.0.0.1", "::1", "1.0.0.0", "240.0.0.1", "fe80::1", "192.0.2.255"} {
		if _, err := config.ParseNameserver(addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// Keys that look like known ones are ignored, like all unknown ones, and reported.
func TestMistypedKeys(t *testing.T) {
	for key, meant := range map[string]string{
		"upstreamNameserver": "upstreamNameservers", "upstreamNameServers": "upstreamNameservers",
		"stubdomains":  "stubDomains",
		"stub-domains": "stubDomains", "federation": "federations", "Corefile": "", "notes": "", "stubDomains": "",
	} {
		cfg, err := config.Parse(map[string]string{key: ""})
		if err != nil {
			t.Fatal(err)
		}
		warnings := strings.Join(config.Warnings(cfg, "cluster.local"), "\n")
		if named := strings.Contains(warnings, "write "+meant+" "); meant != "" && !named || meant == "" && warnings != "" {
			t.Errorf("key %q: got warnings %q, want one that names %q", key, warnings, meant)
		}
	}
}

// A stub domain that is listed twice has the last servers, and is reported.
func TestRepeatedStubDomains(t *testing.T) {
	const twice = `{"acme.example": ["192.0.2.1"], "b.example": null, "\u0061cme.example": ["192.0.2.3", "ns.example"]}`
	for text, want := range map[string]string{
		`{"acme.example": ["192.0.2.1"], "b.example": ["192.0.2.2"]}`:                    "",
		`{"acme.example": ["192.0.2.1"], "b.example": ["acme.example", "acme.example"]}`: "",
		twice: `key stubDomains: "acme.example" is given more than once: only the last one is used, ` +
			"with the servers [192.0.2.3:53 ns.example]",
	} {
		cfg, err := config.Parse(map[string]string{"stubDomains": text})
		if err != nil {
			t.Fatal(err)
		}
		warnings := config.Warnings(cfg, "cluster.local")
		if got := strings.Join(warnings, "\n"); !strings.HasPrefix(got, want) || want == "" && strings.Contains(got, "acme") {
			t.Errorf("%s: got warnings %q, want %q", text, got, want)
		}
	}
}

// For invisible characters from a web page or an editor, the error has their code point. Another
// encoding would show a letter for their first byte.
func TestUnseenCharacters(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"\ufeff{}", "invalid JSON in line 1: the character U+FEFF, "},
		{"{\n\u00a0\"acme.example\": []}", "invalid JSON in line 2: the character U+00A0, "},
		{"{}\u200b", "invalid JSON in line 1: the character U+200B, "},
		{"{}\xff", "invalid JSON in line 1: the character U+FFFD, "},
		{"{\"\u00fc\" x}", "invalid JSON in line 1: invalid character 'x' after object key; "},
	} {
		_, err := config.Parse(map[string]string{"stubDomains": tt.text})
		if err == nil {
			t.Errorf("Parse(%q): no error", tt.text)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, "key stubDomains: "+tt.want) {
			t.Errorf("Parse(%q): got %s, want %s", tt.text, got, tt.want)
		}
	}
}
