package dataset

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
)

// Zone is the cluster's zone.
const Zone = "cluster.local"

// A Set is the content of one cluster.
type Set struct {
	// Name is the name on the command line and in the report.
	Name string
	// Services with a ClusterIP and one port, in that number of namespaces, with names that start
	// with Prefix, "svc" by default. The first Service has the FirstIP-th ClusterIP.
	Services, Namespaces int
	Prefix               string
	FirstIP              int
	// Headless are groups of headless Services.
	Headless []Group
}

// A Group is a number of headless Services with the same number of endpoints.
type Group struct {
	// Name is the prefix of its namespaces.
	Name string
	// Services of the group, in that number of namespaces.
	Services, Namespaces int
	// Endpoints of each Service.
	Endpoints int
	// SliceSize is the number of endpoints in an EndpointSlice.
	SliceSize int
}

// Small is a small cluster, Large a large one.
func Small() Set {
	return Set{Name: "small", Services: 1_000, Namespaces: 10, Headless: []Group{tens(100)}}
}

// Large has a few Services with 10 endpoints in addition to its 1,000 with 50, so that both sizes
// can be queried.
func Large() Set {
	return Set{Name: "large", Services: 10_000, Namespaces: 100, Headless: []Group{tens(100), Fifties(1_000)}}
}

// ByName returns the set of that name.
func ByName(name string) (Set, error) {
	for _, s := range []Set{Small(), Large()} {
		if s.Name == name {
			return s, nil
		}
	}
	return Set{}, fmt.Errorf("data set %q: want small or large", name)
}

func tens(n int) Group {
	return Group{Name: "ten", Services: n, Namespaces: 10, Endpoints: 10, SliceSize: 100}
}

// Fifties returns a group of n Services with 50 endpoints in one slice each.
func Fifties(n int) Group {
	return Group{Name: "fifty", Services: n, Namespaces: 50, Endpoints: 50, SliceSize: 100}
}

// LoadArgs returns the arguments of one run of e2e/cluster/load each.
func (s Set) LoadArgs() [][]string {
	runs := [][]string{{
		"-prefix", s.prefix(), "-namespaces", strconv.Itoa(s.Namespaces), "-services", strconv.Itoa(s.Services),
		"-headless", "0", "-cluster-ip-base", s.ClusterIP(0).String(),
	}}
	for _, g := range s.Headless {
		runs = append(runs, g.LoadArgs())
	}
	return runs
}

// LoadArgs returns the arguments of e2e/cluster/load for this group only.
func (g Group) LoadArgs() []string {
	return []string{
		"-prefix", g.Name, "-namespaces", strconv.Itoa(g.Namespaces), "-services", "0",
		"-headless", strconv.Itoa(g.Services), "-endpoints-per-headless", strconv.Itoa(g.Endpoints),
		"-slice-size", strconv.Itoa(g.SliceSize),
	}
}

// Endpoints returns the number of addresses of all headless Services.
func (s Set) Endpoints() int {
	n := 0
	for _, g := range s.Headless {
		n += g.Services * g.Endpoints
	}
	return n
}

// Group returns the headless group with that number of endpoints a Service.
func (s Set) Group(endpoints int) (Group, bool) {
	for _, g := range s.Headless {
		if g.Endpoints == endpoints {
			return g, true
		}
	}
	return Group{}, false
}

// Service returns the full name of the i-th Service with a ClusterIP.
func (s Set) Service(i int) string {
	return "svc-" + strconv.Itoa(i) + "." + s.namespace(i) + ".svc." + Zone
}

func (s Set) namespace(i int) string { return s.prefix() + "-" + strconv.Itoa(i%s.Namespaces) }

func (s Set) prefix() string { return cmp.Or(s.Prefix, "svc") }

// ClusterIP returns the address of the i-th Service.
func (s Set) ClusterIP(i int) netip.Addr {
	i += s.FirstIP
	return netip.AddrFrom4([4]byte{10, 100, byte(i >> 8), byte(i)})
}

// Namespace returns the namespace of the i-th Service of the group.
func (g Group) Namespace(i int) string { return g.Name + "-" + strconv.Itoa(i%g.Namespaces) }

// ServiceName returns the name of the i-th Service, without namespace.
func ServiceName(i int) string { return "headless-" + strconv.Itoa(i) }

// Service returns the full name of the i-th Service of the group.
func (g Group) Service(i int) string {
	return ServiceName(i) + "." + g.Namespace(i) + ".svc." + Zone
}

// Addresses returns the addresses of the i-th Service of the group.
func (g Group) Addresses(i int) []netip.Addr {
	out := make([]netip.Addr, g.Endpoints)
	for j := range out {
		x := i*g.Endpoints + j
		out[j] = netip.AddrFrom4([4]byte{10, 128 + byte(x>>16), byte(x >> 8), byte(x)})
	}
	return out
}
