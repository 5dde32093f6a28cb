package kube

import (
	"slices"
	"testing"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

func TestPortSetsAreShared(t *testing.T) {
	in := newInterner()
	http := func() []kubedns.Port {
		return []kubedns.Port{{Name: "http", Protocol: "tcp", Number: 80}, {Name: "https", Protocol: "tcp", Number: 443}}
	}
	one := in.portSet(http())
	if other := in.portSet(http()); &one[0] != &other[0] || !slices.Equal(other, http()) {
		t.Errorf("%v is not %v", other, one)
	}
	for _, different := range [][]kubedns.Port{
		http()[:1],
		{{Name: "http", Protocol: "tcp", Number: 80}, {Name: "https", Protocol: "tcp", Number: 444}},
		{{Name: "http", Protocol: "udp", Number: 80}, {Name: "https", Protocol: "tcp", Number: 443}},
	} {
		if got := in.portSet(slices.Clone(different)); !slices.Equal(got, different) {
			t.Errorf("got %v for %v", got, different)
		}
	}
	if got := in.portSet(nil); got != nil {
		t.Errorf("got %v for none", got)
	}
}
