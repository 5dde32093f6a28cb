package dns

import (
	"cmp"
	"slices"
	"strings"
)

func comparePorts(a, b Port) int {
	return cmp.Or(strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.Name, b.Name))
}

// strictPorts returns ports sorted, without duplicates. Services share ports, so it only changes a
// copy.
func strictPorts(ports []Port) []Port {
	for i := 1; i < len(ports); i++ {
		if comparePorts(ports[i-1], ports[i]) >= 0 {
			return sortedPorts(slices.Clone(ports))
		}
	}
	return ports
}

// sortedPorts sorts ports, and keeps the first port of each name.
func sortedPorts(ports []Port) []Port {
	slices.SortStableFunc(ports, comparePorts)
	return slices.Clip(slices.CompactFunc(ports, func(a, b Port) bool { return comparePorts(a, b) == 0 }))
}

// samePorts reports whether two sets of ports are equal. They often share memory.
func samePorts(a, b []Port) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// portIndex returns the index of the port with these labels, which must both start with "_", or -1.
// It does not allocate. Nearly all Services have a few ports, so a scan costs less than a search.
func portIndex(ports []Port, name, protocol string) int {
	if name == "" || name[0] != '_' || protocol == "" || protocol[0] != '_' {
		return -1
	}
	for i := range ports {
		if p := &ports[i]; p.Name == name[1:] && p.Protocol == protocol[1:] {
			return i
		}
	}
	return -1
}

// hasProtocol reports whether there is a port of _protocol.
func hasProtocol(ports []Port, label string) bool {
	_, found := slices.BinarySearchFunc(ports, label[1:], func(p Port, protocol string) int {
		return strings.Compare(p.Protocol, protocol)
	})
	return found
}

// maxPortSets is the maximum number of sets of ports of a Service on the fast path. Without it,
// counting targets would be unbounded.
const maxPortSets = 16

// portSetOf returns the index of a set of ports, or -1. Endpoints with the same ports are mostly
// adjacent, so it compares only the last sets.
func portSetOf(sets [][]Port, ports []Port) int {
	for i := len(sets) - 1; i >= max(0, len(sets)-maxPortSets); i-- {
		if samePorts(sets[i], ports) {
			return i
		}
	}
	return -1
}
