package manifest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// held returns the objects that a zone holds.
func held(z *kubedns.Zone) (names []string) {
	for k := range z.ServiceVersions() {
		names = append(names, k.Name)
	}
	for k := range z.EndpointsVersions() {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names
}

func TestMergeAndApply(t *testing.T) {
	decode := func(name, data string) *file {
		t.Helper()
		o, err := Decode(name, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return &file{path: name, good: o}
	}
	const service = "--- {apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {clusterIP: None}}\n"
	const endpoints = "--- {apiVersion: v1, kind: Endpoints, metadata: {name: %s}}\n"
	const slice = "--- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: %s, " +
		"labels: {kubernetes.io/service-name: %s}}}\n"
	const fqdn = "--- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: FQDN, metadata: {name: %s, " +
		"labels: {kubernetes.io/service-name: %s}}}\n"
	a := decode("a.yaml", fmt.Sprintf(service+service+endpoints, "web", "db", "db"))
	b := decode("b.yaml", fmt.Sprintf(service+slice, "web", "db-1", "db"))
	c := decode("c.yaml", fmt.Sprintf(endpoints+slice+fqdn, "web", "web", "mail", "web", "web"))

	conflict := []string{"Service default/web is declared in a.yaml and in b.yaml; b.yaml counts"}
	zone := kubedns.NewZone(kubedns.Options{})
	for _, step := range []struct {
		name      string
		files     []*file
		want      []string
		conflicts []string
		changes   bool
	}{
		{"one file", []*file{a}, []string{"db", "endpoints/db", "web"}, nil, true},
		{"no change", []*file{a}, []string{"db", "endpoints/db", "web"}, nil, false},
		{"slices count before Endpoints", []*file{a, b}, []string{"db", "db-1", "web"}, conflict, true},
		{
			"a slice and an Endpoints object of one name", []*file{a, b, c},
			[]string{"db", "db-1", "endpoints/web", "web", "web"}, conflict, true,
		},
		{"Endpoints count again", []*file{a}, []string{"db", "endpoints/db", "web"}, nil, true},
		{"nothing left", nil, nil, nil, true},
	} {
		before := zone.Generation()
		next, conflicts := merge(step.files)
		zone.ReplaceServices(next.services)
		zone.ReplaceEndpoints(next.endpoints)
		zone.Publish()
		if diff := cmp.Diff(step.want, held(zone)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.conflicts, conflicts); diff != "" {
			t.Errorf("%s: conflicts -want +got:\n%s", step.name, diff)
		}
		if changed := zone.Generation() != before; changed != step.changes {
			t.Errorf("%s: changed %v, want %v", step.name, changed, step.changes)
		}
	}
}

func TestMergeLocation(t *testing.T) {
	const node = "--- {apiVersion: v1, kind: Node, metadata: {name: %s, labels: {topology.kubernetes.io/zone: %s, " +
		"topology.kubernetes.io/region: r}}}\n"
	o, err := Decode("nodes.yaml", fmt.Appendf(nil, node+node+"--- {apiVersion: v1, kind: Node, metadata: {name: a}}", "c",
		"z1", "b", "z2"))
	if err != nil {
		t.Fatal(err)
	}
	v, _ := merge([]*file{{good: o}})
	want := kubedns.Location{Zone: "z2", Region: "r"} // of b: a has none
	if v.location == nil || *v.location != want || v.nodes != 3 {
		t.Errorf("got %v of %d nodes, want %v of 3", v.location, v.nodes, want)
	}
}
