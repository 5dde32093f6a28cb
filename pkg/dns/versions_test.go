package dns_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/dns"
)

// A source can read the last version that was set of each object, even if no name depends on the
// change.
func TestVersions(t *testing.T) {
	z := newZone()
	svc := func(name, uid, version string) {
		s := clusterIP(name, "10.0.0.1")
		s.UID, s.Version = uid, version
		z.SetService(s)
	}
	endpoints := func(name, service, uid, version string) {
		e := slice(name, service, "10.1.0.1")
		e.UID, e.Version = uid, version
		z.SetEndpoints(e)
	}
	svc("ns/same", "a", "1")
	svc("ns/gone", "b", "2")
	svc("ns/anew", "c", "3")
	endpoints("ns/same-1", "same", "d", "4")
	endpoints("ns/gone-1", "gone", "e", "5")
	endpoints("ns/lone-1", "none", "f", "6")
	z.Publish()
	svc("ns/same", "a", "7")
	svc("ns/anew", "x", "8")
	z.DeleteService(key("ns/gone"))
	endpoints("ns/same-1", "same", "d", "9")
	z.DeleteEndpoints(key("ns/gone-1"))

	type versions = map[dns.Key]dns.ObjectVersion
	want := versions{key("ns/same"): {UID: "a", Version: "7"}, key("ns/anew"): {UID: "x", Version: "8"}}
	if diff := cmp.Diff(want, maps.Collect(z.ServiceVersions())); diff != "" {
		t.Errorf("Services (-want +got):\n%s", diff)
	}
	want = versions{key("ns/same-1"): {UID: "d", Version: "9"}, key("ns/lone-1"): {UID: "f", Version: "6"}}
	if diff := cmp.Diff(want, maps.Collect(z.EndpointsVersions())); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	for range z.ServiceVersions() {
		break // stopping an iterator is allowed
	}
	for range z.EndpointsVersions() {
		break
	}
}
