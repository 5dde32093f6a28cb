package manifest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A log is a writer that notes its calls.
type log []string

func (l *log) SetService(s kubedns.Service)     { *l = append(*l, "set "+s.Name) }
func (l *log) DeleteService(k kubedns.Key)      { *l = append(*l, "delete "+k.Name) }
func (l *log) SetEndpoints(e kubedns.Endpoints) { *l = append(*l, "set "+e.Name+" of "+e.Service) }
func (l *log) DeleteEndpoints(k kubedns.Key)    { *l = append(*l, "delete "+k.Name) }
func (l *log) Publish()                         { *l = append(*l, "publish") }

func TestMergeAndApply(t *testing.T) {
	decode := func(file, data string) content {
		t.Helper()
		o, err := Decode(file, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return content{file, o}
	}
	const service = "--- {apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {clusterIP: None}}\n"
	const endpoints = "--- {apiVersion: v1, kind: Endpoints, metadata: {name: %s}}\n"
	const slice = "--- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: %s, labels: {kubernetes.io/service-name: %s}}}\n"
	const fqdn = "--- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: FQDN, metadata: {name: %s, labels: {kubernetes.io/service-name: %s}}}\n"
	a := decode("a.yaml", fmt.Sprintf(service+service+endpoints, "web", "db", "db"))
	b := decode("b.yaml", fmt.Sprintf(service+slice, "web", "db-1", "db"))
	c := decode("c.yaml", fmt.Sprintf(endpoints+slice+fqdn, "web", "web", "mail", "web", "web"))

	steps := []struct {
		name      string
		files     []content
		want      []string // in any order
		conflicts []string
	}{
		{"one file", []content{a}, []string{"set web", "set db", "set endpoints/db of db", "publish"}, nil},
		{"no change", []content{a}, []string{"publish"}, nil},
		{
			"the later declaration counts, and slices before Endpoints", []content{a, b},
			[]string{"set web", "set db-1 of db", "delete endpoints/db", "publish"},
			[]string{"Service default/web is declared in a.yaml and in b.yaml; b.yaml counts"},
		},
		{
			"a slice and an Endpoints object of one name", []content{a, b, c},
			[]string{"set endpoints/web of web", "set web of mail", "publish"},
			[]string{"Service default/web is declared in a.yaml and in b.yaml; b.yaml counts"},
		},
		{
			"Endpoints count again", []content{a},
			[]string{"set web", "delete endpoints/web", "delete web", "delete db-1", "set endpoints/db of db", "publish"}, nil,
		},
		{"nothing left", nil, []string{"delete web", "delete db", "delete endpoints/db", "publish"}, nil},
	}
	var old view
	for _, step := range steps {
		next, conflicts := merge(step.files)
		var got log
		next.apply(old, &got)
		if got[len(got)-1] != "publish" {
			t.Errorf("%s: got %q, want publish last", step.name, got)
		}
		slices.Sort(got)
		slices.Sort(step.want)
		if diff := cmp.Diff(step.want, []string(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.conflicts, conflicts); diff != "" {
			t.Errorf("%s: conflicts -want +got:\n%s", step.name, diff)
		}
		old = next
	}
}

func TestMergeLocation(t *testing.T) {
	const node = "--- {apiVersion: v1, kind: Node, metadata: {name: %s, labels: {topology.kubernetes.io/zone: %s, topology.kubernetes.io/region: r}}}\n"
	o, err := Decode("nodes.yaml", fmt.Appendf(nil, node+node+"--- {apiVersion: v1, kind: Node, metadata: {name: a}}", "c", "z1", "b", "z2"))
	if err != nil {
		t.Fatal(err)
	}
	v, _ := merge([]content{{"nodes.yaml", o}})
	want := kubedns.Location{Zone: "z2", Region: "r"} // of b: a has none
	if v.location == nil || *v.location != want || v.nodes != 3 {
		t.Errorf("got %v of %d nodes, want %v of 3", v.location, v.nodes, want)
	}
}
