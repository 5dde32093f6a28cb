package options_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

var compareAddrs = cmpopts.EquateComparable(netip.Addr{})

// parse returns the exit code of a command line: 0 is valid, 1 an invalid value, 2 a parse error.
func parse(args ...string) (options.Options, int) {
	f, fs := options.NewFlags()
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		return options.Options{}, 2
	}
	o, err := f.Check()
	if err != nil {
		return options.Options{}, 1
	}
	return o, 0
}

func defaults() options.Options {
	return options.Options{
		Net: options.Net{
			LocalIPs: []netip.Addr{netip.MustParseAddr("169.254.20.10")}, Interface: "nodelocaldns",
			SetupInterface: true, Rules: options.RulesAuto, SyncInterval: time.Minute,
		},
		Listen: options.Listen{
			DNSPort: 53, HealthPort: 8080, Metrics: "0.0.0.0:9353", Prometheus: ":9253",
		},
		Config: options.Config{
			Base: "/etc/coredns/Corefile.base", Corefile: "/etc/Corefile", UpstreamServices: []string{"kube-dns"},
		},
		Handover: true,
	}
}

func TestDefaults(t *testing.T) {
	got, code := parse("-localip", "169.254.20.10")
	if diff := cmp.Diff(defaults(), got, compareAddrs); diff != "" || code != 0 {
		t.Errorf("code %d (-want +got):\n%s", code, diff)
	}
}

// Each flag with the effect of a valid value.
func TestGoodValues(t *testing.T) {
	addrs := func(texts ...string) []netip.Addr {
		var list []netip.Addr
		for _, text := range texts {
			list = append(list, netip.MustParseAddr(text))
		}
		return list
	}
	every := func(d time.Duration) func(*options.Options) {
		return func(o *options.Options) { o.Net.SyncInterval = d }
	}
	tests := map[string]func(*options.Options){
		"-localip=10.96.0.10":           func(o *options.Options) { o.Net.LocalIPs = addrs("10.96.0.10") },
		"--localip=10.0.0.1,10.0.0.2":   func(o *options.Options) { o.Net.LocalIPs = addrs("10.0.0.1", "10.0.0.2") },
		"-localip=10.0.0.1,fd00::a":     func(o *options.Options) { o.Net.LocalIPs = addrs("10.0.0.1", "fd00::a") },
		"-localip=10.0.0.1,10.0.0.1":    func(o *options.Options) { o.Net.LocalIPs = addrs("10.0.0.1") },
		"-localip=::ffff:10.0.0.1":      func(o *options.Options) { o.Net.LocalIPs = addrs("10.0.0.1") },
		"-localip=0.0.0.0":              func(o *options.Options) { o.Net.LocalIPs = addrs("0.0.0.0") },
		"-setupinterface=false":         func(o *options.Options) { o.Net.SetupInterface = false },
		"-interfacename=dns0":           func(o *options.Options) { o.Net.Interface = "dns0" },
		"-setupiptables=false":          func(o *options.Options) { o.Net.Rules = options.RulesNone },
		"-rules=nft":                    func(o *options.Options) { o.Net.Rules = options.RulesNFT },
		"-rules=iptables":               func(o *options.Options) { o.Net.Rules = options.RulesIPTables },
		"-rules=none":                   func(o *options.Options) { o.Net.Rules = options.RulesNone },
		"-tracked":                      func(o *options.Options) { o.Net.Tracked = true },
		"-skipteardown":                 func(o *options.Options) { o.Net.SkipTeardown = true },
		"-syncinterval=60ns":            every(time.Minute),
		"-syncinterval=60":              every(time.Minute),
		"-syncinterval=1us":             every(1000 * time.Second),
		"-syncinterval=999999ns":        every(999_999 * time.Second),
		"-syncinterval=1ms":             every(time.Millisecond),
		"-syncinterval=30s":             every(30 * time.Second),
		"-syncinterval=1h":              every(time.Hour),
		"-health-port=9254":             func(o *options.Options) { o.Listen.HealthPort = 9254 },
		"-metrics-listen-address=:1":    func(o *options.Options) { o.Listen.Metrics = ":1" },
		"-metrics-listen-address=0":     func(o *options.Options) { o.Listen.Metrics = "" },
		"-metrics-listen-address=":      func(o *options.Options) { o.Listen.Metrics = "" },
		"-prometheus-listen-address=:1": func(o *options.Options) { o.Listen.Prometheus = ":1" },
		"-health-listen-address=:1":     func(o *options.Options) { o.Listen.Health = ":1" },
		"-basecorefile=/base":           func(o *options.Options) { o.Config.Base = "/base" },
		"-corefile=/other":              func(*options.Options) {},
		"-conf=/conf":                   func(o *options.Options) { o.Config.Corefile = "/conf" },
		"-conf=":                        func(*options.Options) {},
		"-kubednscm=/map":               func(o *options.Options) { o.Config.KubeDNSDir = "/map" },
		"-upstreamsvc=kube-dns-upstream": func(o *options.Options) {
			o.Config.UpstreamServices = []string{"kube-dns-upstream"}
		},
		"-upstreamsvc=up,up6": func(o *options.Options) {
			o.Config.UpstreamServices = []string{"up", "up6"}
		},
		"-forcetcp":         func(o *options.Options) { o.Config.ForceTCP = true },
		"-reloadwithsignal": func(o *options.Options) { o.Config.ReloadWithSignal = true },
		"-handover=false":   func(o *options.Options) { o.Handover = false },
		"-lameduck=5s":      func(o *options.Options) { o.Lameduck = 5 * time.Second },
		"-dns.port=5353":    func(o *options.Options) { o.Listen.DNSPort = 5353 },
		"-p=5353":           func(o *options.Options) { o.Listen.DNSPort = 5353 },
		"-pidfile=/tmp/pid": func(o *options.Options) { o.PIDFile = "/tmp/pid" },
		"-quiet":            func(o *options.Options) { o.Quiet = true },
	}
	for arg, change := range tests {
		t.Run(arg, func(t *testing.T) {
			want := defaults()
			change(&want)
			got, code := parse("-localip", "169.254.20.10", arg)
			if diff := cmp.Diff(want, got, compareAddrs); diff != "" || code != 0 {
				t.Errorf("code %d (-want +got):\n%s", code, diff)
			}
		})
	}
}

// Each flag with the exit code of an invalid value.
func TestBadValues(t *testing.T) {
	tests := map[string]int{
		"-localip=":                       1,
		"-upstreamsvc=":                   1,
		"-upstreamsvc=a, b":               1,
		"-upstreamsvc=a,":                 1,
		"-localip=name":                   1,
		"-localip=10.0.0.1, 10.0.0.2":     1,
		"-localip=10.0.0.1,":              1,
		"-localip=,10.0.0.1":              1,
		"-localip=10.0.0.1,,10.0.0.2":     1,
		"-localip=fe80::1%eth0":           1,
		"-localip=10.0.0.1:53":            1,
		"-setupinterface=no":              2,
		"-interfacename=":                 1,
		"-interfacename=1234567890abcdef": 1,
		"-interfacename=a/b":              1,
		"-setupiptables=2":                2,
		"-rules=pf":                       2,
		"-tracked=maybe":                  2,
		"-skipteardown=maybe":             2,
		"-syncinterval=":                  2,
		"-syncinterval=often":             2,
		"-syncinterval=0":                 1,
		"-syncinterval=0s":                1,
		"-syncinterval=-60ns":             1,
		"-syncinterval=-1":                1,
		"-syncinterval=1000000":           2,
		"-health-port=health":             1,
		"-health-port=65536":              1,
		"-health-port=0":                  1,
		"-reloadwithsignal=maybe":         2,
		"-handover=maybe":                 2,
		"-lameduck=5":                     2,
		"-lameduck=-1s":                   1,
		"-dns.port=dns":                   1,
		"-dns.port=0":                     1,
		"-p=dns":                          1,
		"-quiet=maybe":                    2,
		"-version=maybe":                  2,
		"-plugins=maybe":                  2,
		"-unknown":                        2,
		"positional":                      1,
	}
	for arg, want := range tests {
		t.Run(arg, func(t *testing.T) {
			if _, got := parse("-localip=10.0.0.1", arg); got != want {
				t.Errorf("exit code %d, want %d", got, want)
			}
		})
	}
}

func TestLocalIPIsRequired(t *testing.T) {
	if _, code := parse(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestUpstreamVariable(t *testing.T) {
	if got := options.UpstreamVariable("kube-dns-upstream"); got != "KUBE_DNS_UPSTREAM_SERVICE_HOST" {
		t.Error(got)
	}
}
