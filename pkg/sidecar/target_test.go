package sidecar_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

func TestParseTarget(t *testing.T) {
	base := sidecar.Target{Label: "a", Network: "udp", Server: "1.2.3.4:53", Name: "b.test.", Interval: 5 * time.Second,
		Type: "ANY"}
	with := func(change func(*sidecar.Target)) sidecar.Target {
		want := base
		change(&want)
		return want
	}
	server := func(network, address string) sidecar.Target {
		return with(func(t *sidecar.Target) { t.Network, t.Server = network, address })
	}
	tests := []struct {
		name string
		text string
		want sidecar.Target
	}{
		{"shortest", "a,1.2.3.4,b.test", base},
		{"name with trailing dot", "a,1.2.3.4,b.test.", base},
		{"root", "a,1.2.3.4,.", with(func(t *sidecar.Target) { t.Name = "." })},
		{"interval", "a,1.2.3.4,b.test,30", with(func(t *sidecar.Target) { t.Interval = 30 * time.Second })},
		{"interval with sign", "a,1.2.3.4,b.test,+5", base},
		{"longest interval", "a,1.2.3.4,b.test,86400", with(func(t *sidecar.Target) { t.Interval = 24 * time.Hour })},
		{"type", "a,1.2.3.4,b.test,5,SRV", with(func(t *sidecar.Target) { t.Type = "SRV" })},
		{
			"stock manifest", "kubedns,127.0.0.1:10053,kubernetes.default.svc.cluster.local,5,SRV",
			sidecar.Target{
				Label: "kubedns", Network: "udp", Server: "127.0.0.1:10053",
				Name: "kubernetes.default.svc.cluster.local.", Interval: 5 * time.Second, Type: "SRV",
			},
		},
		{"every kind of letter in a label", "Ab_09,1.2.3.4,b.test", with(func(t *sidecar.Target) { t.Label = "Ab_09" })},
		{"port", "a,1.2.3.4:10053,b.test", server("udp", "1.2.3.4:10053")},
		{"port by name", "a,1.2.3.4:domain,b.test", server("udp", "1.2.3.4:53")},
		{"host name", "a,dns.example,b.test", server("udp", "dns.example:53")},
		{"host name and port", "a,dns.example:54,b.test", server("udp", "dns.example:54")},
		{"v6", "a,::1,b.test", server("udp", "[::1]:53")},
		{"v6 in brackets", "a,[::1],b.test", server("udp", "[::1]:53")},
		{"v6 with port", "a,[::1]:54,b.test", server("udp", "[::1]:54")},
		{"v6 that ends like a port", "a,2001:db8::1:54,b.test", server("udp", "[2001:db8::1:54]:53")},
		{"v6 with zone", "a,fe80::1%eth0,b.test", server("udp", "[fe80::1%eth0]:53")},
		{"v6 with zone and port", "a,[fe80::1%eth0]:54,b.test", server("udp", "[fe80::1%eth0]:54")},
		{"v4 in brackets", "a,[1.2.3.4],b.test", base},
		{"tcp", "a,tcp://1.2.3.4,b.test", server("tcp", "1.2.3.4:53")},
		{"tcp with port", "a,tcp://1.2.3.4:54,b.test", server("tcp", "1.2.3.4:54")},
		{"tcp v6", "a,tcp://::1,b.test", server("tcp", "[::1]:53")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sidecar.ParseTarget(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseTarget(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestParseTargetErrors(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string // a part of the error that names the mistake
	}{
		{"empty", "", "3 to 5 fields"},
		{"two fields", "a,1.2.3.4", "3 to 5 fields"},
		{"six fields", "a,1.2.3.4,b.test,5,SRV,x", "3 to 5 fields"},
		{"no label", ",1.2.3.4,b.test", `label ""`},
		{"dash in label", "kube-dns,1.2.3.4,b.test", `label "kube-dns"`},
		{"newline in label", "a\n,1.2.3.4,b.test", "label"},
		{"no host", "a,,b.test", `server ""`},
		{"port without a host", "a,:54,b.test", `server ":54"`},
		{"port without a host over TCP", "a,tcp://:54,b.test", "the host is empty"},
		{"no name", "a,1.2.3.4,", "the name is empty"},
		{"more than a day", "a,1.2.3.4,b.test,86401", "from 1 to 86400"},
		{"empty port", "a,1.2.3.4:,b.test", `server "1.2.3.4:"`},
		{"port 0", "a,1.2.3.4:0,b.test", `port "0"`},
		{"port too large", "a,1.2.3.4:65536,b.test", `port "65536"`},
		{"port is a word", "a,1.2.3.4:dnsmasq,b.test", `port "dnsmasq"`},
		{"half a bracket", "a,[1.2.3.4,b.test", `server "[1.2.3.4"`},
		{"bracket in a zone", "a,::1%],b.test", `server "::1%]"`},
		{"bracket only", "a,],b.test", `server "]"`},
		{"other scheme", "a,udp://1.2.3.4,b.test", `server "udp://1.2.3.4"`},
		{"label of the name too long", "a,1.2.3.4," + strings.Repeat("x", 64), "name"},
		{"name with empty label", "a,1.2.3.4,b..test", `name "b..test"`},
		{"name with half an escape", `a,1.2.3.4,b\`, `name "b\\"`},
		{"interval 0", "a,1.2.3.4,b.test,0", `interval "0"`},
		{"negative interval", "a,1.2.3.4,b.test,-5", `interval "-5"`},
		{"fraction", "a,1.2.3.4,b.test,0.5", `interval "0.5"`},
		{"unit", "a,1.2.3.4,b.test,5s", `interval "5s"`},
		{"interval too long", "a,1.2.3.4,b.test,2147483648", `interval "2147483648"`},
		{"no interval before the type", "a,1.2.3.4,b.test,SRV", `interval "SRV"`},
		{"empty interval", "a,1.2.3.4,b.test,,SRV", `interval ""`},
		{"unknown type", "a,1.2.3.4,b.test,5,MX", `type "MX"`},
		{"type in lower case", "a,1.2.3.4,b.test,5,srv", `type "srv"`},
		{"empty type", "a,1.2.3.4,b.test,5,", `type ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sidecar.ParseTarget(tt.text)
			if err == nil {
				t.Fatalf("ParseTarget(%q) = %+v, want an error", tt.text, got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %q, want one with %q", err, tt.want)
			}
		})
	}
}

// Any accepted target has a text that parses to the same target, and is valid in a metric name and
// as a domain name.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"kubedns,127.0.0.1:10053,kubernetes.default.svc.cluster.local,5,SRV",
		"a,tcp://[fe80::1%eth0]:53,b.test.,30,AAAA",
		"a,dns.example,b.test", "a,,b.test", "a,[::1],", "a,::1,\\.", "a,1.2.3.4:,b,0,ANY", "0,::0%],", "0,,\\", "0,],",
		"0,tcp://[0000::0%0,",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := sidecar.ParseTarget(text)
		if err != nil {
			return
		}
		again, err := sidecar.ParseTarget(got.String())
		if err != nil {
			t.Fatalf("%q gives %q, which is refused: %v", text, got, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%q gives %q, which gives another target (-first +second):\n%s", text, got, diff)
		}
		if got.Interval < time.Second || !strings.HasSuffix(got.Name, ".") || got.Label == "" {
			t.Errorf("ParseTarget(%q) = %+v", text, got)
		}
	})
}
