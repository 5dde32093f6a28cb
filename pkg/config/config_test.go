package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

func TestEqual(t *testing.T) {
	base := func() config.Config {
		return config.Config{
			Federations: map[string]string{"a": "fed.example"},
			StubDomains: []config.StubDomain{
				{Domain: "acme.example", Servers: []config.StubServer{address("192.0.2.1:53"), {Host: "ns.example"}}},
			},
			Upstreams: []config.Nameserver{nameserver("192.0.2.1:53"), nameserver("192.0.2.2:53")},
		}
	}
	tests := []struct {
		name   string
		change func(*config.Config)
		want   bool
	}{
		{"same", func(*config.Config) {}, true},
		{"federation's domain", func(c *config.Config) { c.Federations["a"] = "other.example" }, false},
		{"no federations", func(c *config.Config) { c.Federations = nil }, false},
		{"stub domain's name", func(c *config.Config) { c.StubDomains[0].Domain = "acme.test" }, false},
		{"stub domain's server", func(c *config.Config) { c.StubDomains[0].Servers[1].Host = "ns2.example" }, false},
		{"stub domain's port", func(c *config.Config) { c.StubDomains[0].Servers[0] = address("192.0.2.1:54") }, false},
		{"order of upstreams", func(c *config.Config) {
			c.Upstreams[0], c.Upstreams[1] = c.Upstreams[1], c.Upstreams[0]
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := base()
			tt.change(&changed)
			if got := config.Equal(base(), changed); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := config.Equal(changed, base()); got != tt.want {
				t.Errorf("the other way round: got %v, want %v", got, tt.want)
			}
		})
	}
	empty := config.Config{Federations: map[string]string{}, Upstreams: []config.Nameserver{}}
	if !config.Equal(config.Config{}, empty) {
		t.Error("nil and empty differ")
	}
}

func TestFormat(t *testing.T) {
	cfg, err := readTestdata(t, "good-everything")
	if err != nil {
		t.Fatal(err)
	}
	cfg.StubDomains = append(cfg.StubDomains, config.StubDomain{Domain: "z.example"})
	want := map[string]string{
		"federations": "myfed=fed.example.com,other=other.example",
		"stubDomains": `{"acme.example":["192.0.2.9:53","192.0.2.8:5353","[2001:db8::5]:53","[2001:db8::6]:54"],` +
			`"widget.example":["ns.widget.example"],"z.example":[]}`,
		"upstreamNameservers": `["192.0.2.53:53","192.0.2.54:5353","[2001:db8::53]:53","[2001:db8::54]:5353"]`,
	}
	if diff := cmp.Diff(want, config.Format(cfg)); diff != "" {
		t.Errorf("Format (-want +got):\n%s", diff)
	}
	if got := config.Format(config.Config{}); len(got) != 0 {
		t.Errorf("Format of the default: got %v, want no keys", got)
	}
}

func TestWarnings(t *testing.T) {
	const zone = "Cluster.Local." // possible flag value
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing odd", map[string]string{
			"stubDomains": `{"acme.example": ["192.0.2.1"], "a.cluster.local": ["192.0.2.1"],
				"8.b.d.0.1.0.0.2.ip6.arpa": ["192.0.2.1"]}`,
			"upstreamNameservers": `["192.0.2.1", "192.0.2.2", "192.0.2.3"]`,
		}, nil},
		{"cluster domain", map[string]string{"stubDomains": `{"cluster.local": ["192.0.2.1"]}`}, []string{
			`key stubDomains: "cluster.local" is the cluster domain: all names of the cluster go to its servers`,
		}},
		{"reverse zone misspelt", map[string]string{
			"stubDomains": `{"8.b.d.0.1.0.0.2.in6.arpa": ["192.0.2.1"], "in6.arpa": ["192.0.2.1"]}`,
		}, []string{
			`key stubDomains: "8.b.d.0.1.0.0.2.in6.arpa" does not exist: reverse names of IPv6 addresses end in ip6.arpa`,
			`key stubDomains: "in6.arpa" does not exist: reverse names of IPv6 addresses end in ip6.arpa`,
		}},
		{"no servers", map[string]string{"stubDomains": `{"acme.example": []}`}, []string{
			`key stubDomains: "acme.example" has no servers and so no effect`,
		}},
		{"four upstreams", map[string]string{
			"upstreamNameservers": `["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]`,
		}, []string{
			`key upstreamNameservers: 4 servers: node-local caches that read the same map accept at most 3`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := config.Parse(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, config.Warnings(cfg, zone)); diff != "" {
				t.Errorf("Warnings (-want +got):\n%s", diff)
			}
		})
	}
}
