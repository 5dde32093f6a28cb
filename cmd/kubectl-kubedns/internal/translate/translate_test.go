package translate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/corefile"
	"github.com/kube-dns/kube-dns/pkg/config"
)

func read(t *testing.T, text string) corefile.File {
	t.Helper()
	file, err := corefile.Read(corefile.Source{Path: "Corefile", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// lines returns findings as text, except the same and dropped ones.
func lines(found []Finding) []string {
	var out []string
	for _, f := range found {
		if f.Level == Changed || f.Level == Refused {
			out = append(out, fmt.Sprintf("%s %s %s %s", f.Level, f.Code, f.Place, f.From))
		}
	}
	return out
}

const kubeadm = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
`

func TestKubeadm(t *testing.T) {
	got, found := ToKubeDNS(read(t, kubeadm), nil)
	want := KubeDNS{
		Zone: "cluster.local", Config: map[string]string{},
		Dnsmasq: []string{
			"--cache-size=1000", "--no-negcache", "--dns-loop-detect", "--log-facility=-", "--dns-forward-max=1000",
			"--max-cache-ttl=30",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantFound := []string{
		"changed MG18 Corefile:17 disable success cluster.local",
		"changed MG18 Corefile:18 disable denial cluster.local",
	}
	if diff := cmp.Diff(wantFound, lines(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// root wraps plugins into the block of a cluster.
func root(plugins string) string {
	return ". {\n kubernetes k8s.example {\n  pods insecure\n  ttl 30\n }\n" + plugins + "\n}\n"
}

func TestToKubeDNS(t *testing.T) {
	tests := map[string]struct {
		corefile string
		config   map[string]string
		dnsmasq  string // beyond the default
		found    []string
	}{
		"upstreams": {root("forward . 192.0.2.1 192.0.2.2:5353 [2001:db8::1]:53"),
			map[string]string{"upstreamNameservers": `["192.0.2.1", "192.0.2.2:5353", "2001:db8::1"]`}, "", nil},
		"stub block": {root("forward . /etc/resolv.conf") + "a.example:53 b.example {\n forward . 192.0.2.1\n}\n",
			map[string]string{"stubDomains": `{"a.example": ["192.0.2.1"], "b.example": ["192.0.2.1"]}`}, "", nil},
		"stub inline": {root("forward a.example 192.0.2.1"),
			map[string]string{"stubDomains": `{"a.example": ["192.0.2.1"]}`}, "", nil},
		"to resolv": {root("forward . 192.0.2.1") + "a.example {\n forward . /etc/resolv.conf\n}\n",
			map[string]string{"upstreamNameservers": `["192.0.2.1"]`}, "--server=/a.example/#", nil},
		"tls": {root("forward . tls://192.0.2.1"), nil, "",
			[]string{"refused MG42 Corefile:6 forward . tls://192.0.2.1"}},
		"file":    {root("forward . /etc/other"), nil, "", []string{"refused MG48 Corefile:6 forward . /etc/other"}},
		"by name": {root("forward . ns.example"), nil, "", []string{"refused MG48 Corefile:6 forward . ns.example"}},
		"policy": {root("forward . 192.0.2.1 {\n policy sequential\n force_tcp\n}"),
			map[string]string{"upstreamNameservers": `["192.0.2.1"]`}, "--strict-order",
			[]string{"changed MG21 Corefile:8 force_tcp"}},
		"hosts": {root("hosts {\n 192.0.2.1 a.example b.example\n 192.0.2.2 x.svc.k8s.example\n fallthrough\n}"), nil,
			"--host-record=a.example,192.0.2.1 --host-record=b.example,192.0.2.1",
			[]string{"refused MG45 Corefile:8 192.0.2.2 x.svc.k8s.example"}},
		"hosts alone": {root("hosts {\n 192.0.2.1 a.example\n}"), nil, "--host-record=a.example,192.0.2.1",
			[]string{"refused MG45 Corefile:6 hosts { 192.0.2.1 a.example }"}},
		"hosts file": {root("hosts /etc/coredns/NodeHosts {\n fallthrough\n}"), nil, "--host-record=node-1,192.0.2.9",
			nil},
		"template": {root("template IN A a.example {\n answer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}\ntemplate ANY ANY " +
			"b.example {\n rcode NXDOMAIN\n}"), nil, "--address=/a.example/192.0.2.1 --address=/b.example/", nil},
		"template TXT": {root("template IN TXT a.example {\n answer \"{{ .Name }} 60 IN TXT a\"\n}"), nil, "",
			[]string{"refused MG44 Corefile:6 template IN TXT a.example { answer \"{{ .Name }} 60 IN TXT a\" }"}},
		"rewrite": {root("rewrite name regex (.*).old {1}.new\nfoo a b"), nil, "",
			[]string{"refused MG41 Corefile:6 rewrite name regex (.*).old {1}.new", "refused MG40 Corefile:7 foo a b"}},
		"other port": {root("") + "b.example:5353 {\n whoami\n}\ntls://c.example {\n whoami\n}", nil, "",
			[]string{"refused MG46 Corefile:8 b.example:5353", "refused MG46 Corefile:11 tls://c.example"}},
		"known": {root("acl {\n block\n}\nbind 10.0.0.1\nautopath @kubernetes\nlog"), nil, "",
			[]string{"refused MG47 Corefile:6 acl { block }", "refused MG49 Corefile:9 bind 10.0.0.1",
				"changed MG22 Corefile:10 autopath @kubernetes", "changed MG26 Corefile:11 log"}},
		"cache": {root("cache 60 {\n success 20000\n denial 5000\n serve_stale 2h\n prefetch 1\n}"), nil,
			"--max-cache-ttl=60 --use-stale-cache=7200",
			[]string{"changed MG24 Corefile:7 success 20000", "changed MG24 Corefile:8 denial 5000"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, found := ToKubeDNS(read(t, tt.corefile),
				map[string]string{"/etc/coredns/NodeHosts": "192.0.2.9 node-1 # it\n"})
			if tt.config == nil {
				tt.config = map[string]string{}
			}
			if diff := cmp.Diff(tt.config, got.Config); diff != "" {
				t.Errorf("ConfigMap (-want +got):\n%s", diff)
			}
			if _, err := config.Parse(got.Config); err != nil {
				t.Error(err)
			}
			var beyond []string
			for _, o := range got.Dnsmasq {
				if !strings.HasPrefix(o, "--cache-size") && o != "--no-negcache" && o != "--dns-loop-detect" &&
					o != "--log-facility=-" {
					beyond = append(beyond, o)
				}
			}
			if s := strings.Join(beyond, " "); s != tt.dnsmasq {
				t.Errorf("dnsmasq: got %q, want %q", s, tt.dnsmasq)
			}
			if diff := cmp.Diff(tt.found, lines(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKubernetesOptions(t *testing.T) {
	for option, want := range map[string]string{
		"namespaces a":                       "refused MG43 Corefile:3 namespaces a",
		"fallthrough":                        "refused MG50 Corefile:3 fallthrough",
		"fallthrough in-addr.arpa ip6.arpa":  "",
		"endpoint_pod_names":                 "changed MG05 Corefile:3 endpoint_pod_names",
		"ignore empty_service":               "changed MG15 Corefile:3 ignore empty_service",
		"brand_new":                          "refused MG40 Corefile:3 brand_new",
		"kubeconfig /etc/k context":          "refused MG63 Corefile:3 kubeconfig /etc/k context",
		"endpoint https://192.0.2.1:6443":    "",
		"apiserver_qps 5":                    "",
		"fallthrough example.com 10.0.0.0/8": "refused MG50 Corefile:3 fallthrough example.com 10.0.0.0/8",
	} {
		_, found := ToKubeDNS(read(t,
			". {\n kubernetes k8s.example 10.0.0.0/8 {\n "+option+"\n pods insecure\n ttl 30\n }\n}"), nil)
		if got := strings.Join(lines(found), "\n"); got != want {
			t.Errorf("%s: got %q, want %q", option, got, want)
		}
	}
	if _, found := ToKubeDNS(read(t, ". {\n whoami\n}"), nil); len(Unaccepted(found, nil)) != 1 ||
		len(Unaccepted(found, []string{"MG43"})) != 0 {
		t.Errorf("no zone: %v", found)
	}
}

func TestToCoreDNS(t *testing.T) {
	text, zone, found, err := ToCoreDNS(Running{
		ConfigMap: map[string]string{
			"stubDomains":         `{"acme.example": ["192.0.2.1", "192.0.2.2:5353"], "name.example": ["ns.example"]}`,
			"upstreamNameservers": `["192.0.2.3", "2001:db8::3"]`,
			"federations":         "f=fed.example",
		},
		KubeDNS: []string{"--domain=k8s.example.", "--dns-port=10053", "--config-dir=/kube-dns-config", "--v=2"},
		Nanny:   []string{"-v=2", "-lameduck=20s"},
		Dnsmasq: []string{
			"-k", "--cache-size=2000", "--no-negcache", "--dns-loop-detect", "--log-facility=-",
			"--server=/k8s.example/127.0.0.1#10053", "--server=/in-addr.arpa/127.0.0.1#10053",
			"--server=/b.example/192.0.2.9", "--rev-server=172.16.0.0/16,192.0.2.8#54", "--address=/ads.example/",
			"--address=/one.example/192.0.2.7", "--host-record=h.example,192.0.2.6,2001:db8::6",
			"--cname=c.example,h.example",
			"--stop-dns-rebind", "--server=192.0.2.1@eth0", "--max-cache-ttl=x } whoami",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `.:53 {
    errors
    health {
        lameduck 20s
    }
    ready
    template ANY ANY ads.example {
        rcode NXDOMAIN
    }
    template IN A one.example {
        answer "{{ .Name }} 60 IN A 192.0.2.7"
        fallthrough
    }
    template IN ANY c.example {
        match "^c[.]example[.]$"
        answer "{{ .Name }} 60 IN CNAME h.example."
        fallthrough
    }
    hosts {
        192.0.2.6 h.example
        2001:db8::6 h.example
        fallthrough
    }
    kubernetes k8s.example in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . 192.0.2.3 2001:db8::3 {
        max_concurrent 1500
    }
    cache {
        success 2000 3600 0
        disable denial
    }
    loop
    reload
    loadbalance
}
172.16.0.0/16:53 {
    errors
    forward . 192.0.2.8:54 {
        max_concurrent 1500
    }
    cache {
        success 2000 3600 0
        disable denial
    }
    loop
}
acme.example:53 {
    errors
    forward . 192.0.2.1 192.0.2.2:5353 {
        max_concurrent 1500
    }
    cache {
        success 2000 3600 0
        disable denial
    }
    loop
}
b.example:53 {
    errors
    forward . 192.0.2.9 {
        max_concurrent 1500
    }
    cache {
        success 2000 3600 0
        disable denial
    }
    loop
}
`
	if diff := cmp.Diff(want, text); diff != "" || zone != "k8s.example" {
		t.Errorf("zone %s, Corefile (-want +got):\n%s", zone, diff)
	}
	wantFound := []string{
		"refused MG62 ConfigMap kube-dns stubDomains name.example ns.example",
		"refused MG60 ConfigMap kube-dns federations f",
		"changed MG24 dnsmasq --cache-size=2000",
		"changed MG29 dnsmasq --dns-loop-detect",
		"refused MG61 dnsmasq --stop-dns-rebind",
		"refused MG61 dnsmasq --server=192.0.2.1@eth0",
		"refused MG61 dnsmasq --max-cache-ttl=x } whoami",
	}
	if diff := cmp.Diff(wantFound, lines(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	// The result can be read back, and has the same configuration.
	back, found := ToKubeDNS(read(t, text), nil)
	if got := Unaccepted(found, nil); len(got) > 1 { // the record of a CNAME
		t.Errorf("the way back refuses %v", got)
	}
	if got := back.Config["upstreamNameservers"]; back.Zone != zone || got != `["192.0.2.3", "2001:db8::3"]` {
		t.Errorf("the way back has %v", back)
	}
}

func TestToCoreDNSInvalid(t *testing.T) {
	_, _, _, err := ToCoreDNS(Running{ConfigMap: map[string]string{"stubDomains": "["}})
	if err == nil || !strings.HasPrefix(err.Error(), "ConfigMap kube-dns: key stubDomains: ") {
		t.Errorf("got %v", err)
	}
}

// Every finding has a listed code, and every listed code a finding.
func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Codes() {
		if seen[c.Code] || c.Text == "" || !IsCode(c.Code) {
			t.Errorf("%v is listed twice, or without a text", c)
		}
		seen[c.Code] = true
	}
	if IsCode("MG99") {
		t.Error("MG99 is a code")
	}
}

func FuzzToKubeDNS(f *testing.F) {
	f.Add(kubeadm)
	f.Add(root("hosts {\n 1.1.1.1 a\n}\ntemplate IN A b {\n answer \"{{ .Name }} IN A 1.1.1.1\"\n}"))
	f.Fuzz(func(t *testing.T, text string) {
		file, err := corefile.Read(corefile.Source{Path: "Corefile", Text: text})
		if err != nil {
			return
		}
		got, found := ToKubeDNS(file, nil)
		for _, finding := range found {
			needsCode := finding.Level == Changed || finding.Level == Refused
			if needsCode != (finding.Code != "") || finding.Code != "" && !IsCode(finding.Code) {
				t.Errorf("finding %+v", finding)
			}
		}
		if _, err := config.Parse(got.Config); err != nil && len(Unaccepted(found, nil)) == 0 {
			t.Errorf("%v: %v", got.Config, err)
		}
	})
}
