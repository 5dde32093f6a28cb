package compare

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
)

// reply returns a reply with records of one type.
func reply(rcode string, qtype string, data ...string) ask.Reply {
	r := ask.Reply{Rcode: rcode}
	for _, d := range data {
		r.Answer = append(r.Answer, ask.Record{Name: "a.", Type: qtype, TTL: 30, Data: d})
	}
	return r
}

func TestCompare(t *testing.T) {
	const zone = ".svc.cluster.local."
	nx := reply("NXDOMAIN", "")
	tests := []struct {
		name, qname, qtype string
		left, right        ask.Reply
		code               string
		effect             Effect // empty: no difference
	}{
		{"same", "web.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1"), reply("NOERROR", "A", "192.0.2.1"), "", ""},
		{"order", "web.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1", "192.0.2.2"),
			reply("NOERROR", "A", "192.0.2.2", "192.0.2.1"), "", ""},
		{"address", "web.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1"), reply("NOERROR", "A", "192.0.2.2"), "",
			All},
		{"no records", "web.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1"), reply("NOERROR", "A"), "", All},
		{"no name", "web.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1"), nx, "", All},
		{"one fails", "web.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1"), reply("SERVFAIL", ""), "", All},
		{"no reply", "web.a" + zone, "A", ask.Reply{Err: "timeout"}, nx, "", All},
		{"no replies", "web.a" + zone, "A", ask.Reply{Err: "timeout"}, ask.Reply{Err: "refused"}, "", ""},
		{"wildcard", "*.a" + zone, "A", reply("NOERROR", "A", "192.0.2.1"), nx, "MG01", Some},
		{"alias to an address", "web.a" + zone, "A", reply("NOERROR", "CNAME", "192.0.2.1."), reply("NOERROR", "A"),
			"MG02", All},
		{"SRV without port", "web.a" + zone, "SRV", reply("NOERROR", "SRV", "10 100 0 x."),
			reply("NOERROR", "SRV", "0 100 80 x."), "MG03", Some},
		{"SRV target", "_http._tcp.web.a" + zone, "SRV", reply("NOERROR", "SRV", "10 100 80 3c1f9a0e.web.a"+zone),
			reply("NOERROR", "SRV", "0 100 80 web.a"+zone), "MG04", Harmless},
		{"SRV endpoint", "_http._tcp.web.a" + zone, "SRV", reply("NOERROR", "SRV", "10 100 80 3c1f9a0e.web.a"+zone),
			reply("NOERROR", "SRV", "0 100 80 192-0-2-1.web.a"+zone), "MG05", Some},
		{"endpoint's name", "192-0-2-1.web.a" + zone, "A", nx, reply("NOERROR", "A", "192.0.2.1"), "MG05", Some},
		{"pod's reverse name", "1.2.0.192.in-addr.arpa.", "PTR", nx, reply("NOERROR", "PTR", "x."), "MG06", Some},
		{"ANY", "web.a" + zone, "ANY", reply("REFUSED", ""), nx, "MG10", Harmless},
		{"pod's name", "192-0-2-1.a.pod.cluster.local.", "A", reply("NOERROR", "A", "192.0.2.1"), nx, "MG11", Some},
		{"one label", "web.", "A", reply("SERVFAIL", ""), nx, "MG12", Harmless},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := Compare(Question{tt.qname, tt.qtype}, tt.left, tt.right, Options{})
			if ok != (tt.effect != "") || d.Kind.Code != tt.code || d.Kind.Effect != tt.effect {
				t.Errorf("got %v %+v, want code %q, effect %q", ok, d.Kind, tt.code, tt.effect)
			}
		})
	}
}

func TestIgnored(t *testing.T) {
	left, right := reply("NOERROR", "A", "192.0.2.1"), reply("NOERROR", "A", "192.0.2.1")
	right.Answer[0].TTL, right.AA = 5, true
	q := Question{"web.", "A"}
	if d, ok := Compare(q, left, right, Options{TTL: true, AA: true}); ok {
		t.Errorf("all ignored: got %+v", d.Kind)
	}
	if d, _ := Compare(q, left, right, Options{AA: true}); d.Kind.Code != "MG08" {
		t.Errorf("TTL: got %+v", d.Kind)
	}
	if d, _ := Compare(q, left, right, Options{TTL: true}); d.Kind.Code != "MG07" {
		t.Errorf("AA: got %+v", d.Kind)
	}
}

func TestReadNames(t *testing.T) {
	got, err := ReadNames(strings.NewReader("# a comment\n\nWeb.prod.svc.cluster.local\nx.example.com. "+
		"SRV\nx.example.com srv\n"), []string{"A", "AAAA"})
	want := []Question{
		{"web.prod.svc.cluster.local.", "A"}, {"web.prod.svc.cluster.local.", "AAAA"}, {"x.example.com.", "SRV"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"a..b", "a NOTYPE", "a AXFR"} {
		if _, err := ReadNames(strings.NewReader("ok\n"+bad), []string{"A"}); err == nil ||
			!strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%q: got %v, want an error that names line 2", bad, err)
		}
	}
}

func TestReadLog(t *testing.T) {
	log := "I0101 00:00:00.000000 1 nanny.go:1] " +
		`dnsmasq[7]: 12 192.0.2.9/4711 query[A] web.prod.svc.cluster.local from 192.0.2.9
dnsmasq[7]: 12 192.0.2.9/4711 cached web.prod.svc.cluster.local is 192.0.2.1
[INFO] 192.0.2.9:4711 - 7 "AAAA IN web.prod.svc.cluster.local. udp 44 false 512" NOERROR qr,aa 44 0.0001s
{"time":"2026-01-01T00:00:00Z","client":"192.0.2.9","proto":"udp","name":"x.example.com.","type":"SRV",` +
		`"rcode":"NOERROR"}
`
	got, err := ReadLog(strings.NewReader(log))
	want := []Question{{"web.prod.svc.cluster.local.", "A"}, {"web.prod.svc.cluster.local.", "AAAA"},
		{"x.example.com.", "SRV"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := ReadLog(strings.NewReader("nothing\n")); err == nil {
		t.Error("a log without queries: want an error")
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add("query[A] a from b")
	f.Add(`"AAAA IN web. udp 44`)
	f.Add(`{"name":"a.","type":"A"}`)
	f.Fuzz(func(t *testing.T, log string) {
		questions, _ := ReadLog(strings.NewReader(log))
		for _, q := range questions {
			if again, err := NewQuestion(q.Name, q.Type); err != nil || again != q {
				t.Errorf("%q: read again as %q, %v", q, again, err)
			}
		}
	})
}

func TestOfObjects(t *testing.T) {
	port := []corev1.ServicePort{{Name: "http", Protocol: "TCP", Port: 80}}
	services := []corev1.Service{
		{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "a"},
			Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1"}, Ports: port}},
		{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "a"},
			Spec: corev1.ServiceSpec{ClusterIP: "None", ClusterIPs: []string{"None"}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "out", Namespace: "a"},
			Spec: corev1.ServiceSpec{Type: "ExternalName", ExternalName: "example.com"}},
	}
	slices := []discoveryv1.EndpointSlice{{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "a", Labels: map[string]string{"kubernetes.io/service-name": "db"}},
		AddressType: "IPv4", Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"},
			Hostname: new("db-0")}},
	}}
	var got []string
	for _, q := range OfObjects(services, slices, "cluster.local") {
		got = append(got, q.String())
	}
	want := []string{
		"A web.a.svc.cluster.local.", "SRV _http._tcp.web.a.svc.cluster.local.", "PTR 1.0.96.10.in-addr.arpa.",
		"A db.a.svc.cluster.local.", "AAAA db.a.svc.cluster.local.", "SRV db.a.svc.cluster.local.",
		"CNAME out.a.svc.cluster.local.",
		"A db-0.db.a.svc.cluster.local.", "PTR 1.2.0.192.in-addr.arpa.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSample(t *testing.T) {
	all := []Question{{"a.", "A"}, {"b.", "A"}, {"c.", "A"}, {"d.", "A"}}
	if diff := cmp.Diff([]Question{{"a.", "A"}, {"c.", "A"}}, Sample(all, 2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(Sample(all, 9)) != 4 || len(Only(all, []string{"SRV"})) != 0 {
		t.Error("a small list is its own sample, and Only keeps types")
	}
}
