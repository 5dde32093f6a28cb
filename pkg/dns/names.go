package dns

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strings"
)

// A place classifies a name of the zone by its form.
type place int

const (
	outside    place = iota // not a name of the zone
	apex                    // <zone>
	emptyNode               // svc, dns or pod: no records, but names below
	nameServer              // ns.dns
	version                 // dns-version
	pod                     // <address>.<namespace>.pod, <namespace>.pod
	wildcard                // with a "*"
	plainName               // all other names: Services, namespaces, federations
)

// placeOf returns the place of an absolute name and the labels to the left of the zone, for a pod
// to the left of pod.<zone>. It does not allocate.
func placeOf(name, zone string) (place, string) {
	if name == zone {
		return apex, ""
	}
	rest, ok := strings.CutSuffix(name, zone)
	if ok {
		rest, ok = strings.CutSuffix(rest, ".")
	}
	if !ok || rest == "" {
		return outside, ""
	}
	switch rest {
	case "svc", "dns", "pod":
		return emptyNode, ""
	case "ns.dns":
		return nameServer, ""
	case "dns-version":
		return version, ""
	}
	if labels, ok := strings.CutSuffix(rest, ".pod"); ok {
		return pod, labels
	}
	if strings.Contains(rest, "*") {
		return wildcard, rest
	}
	return plainName, rest
}

// A below is a name below a Service, by its form: the labels to the left of the Service's name.
// <port> and <protocol> start with "_".
type below struct {
	kind                 belowKind
	host, port, protocol string
}

type belowKind int

const (
	nothing    belowKind = iota // no name of a Service
	self                        // the Service itself, or "*"
	hostName                    // <host>: one ClusterIP, or the endpoints of that name
	protocol                    // <protocol>: no records, but names below
	portName                    // <port>.<protocol>, also with "*" for any host
	hostOfPort                  // <host>.<port>.<protocol>: a port of one endpoint
)

// belowOf parses a name below a Service. It does not allocate.
func belowOf(rest string) below {
	if rest == "" || rest == "*" {
		return below{kind: self}
	}
	first, second := cutFirst(rest)
	switch strings.Count(rest, ".") {
	case 0:
		if rest[0] == '_' {
			return below{kind: protocol, protocol: rest}
		}
		return below{kind: hostName, host: rest}
	case 1:
		return below{kind: portName, port: first, protocol: second}
	case 2:
		kind := hostOfPort
		if first == "*" {
			kind = portName
		}
		port, protocol := cutFirst(second)
		return below{kind: kind, host: first, port: port, protocol: protocol}
	}
	return below{}
}

// appendHashLabel appends the label of an address without a hostname.
//
// Compat: clients store these names, so they must match those of kube-dns: the hash in hexadecimal,
// and that text in hexadecimal again.
func appendHashLabel(b []byte, hash uint32) []byte {
	var text [16]byte
	binary.BigEndian.PutUint64(text[:8], hexTwice(hash>>16))
	binary.BigEndian.PutUint64(text[8:], hexTwice(hash&0xffff))
	digits := max(1, (bits.Len32(hash)+3)/4)
	return append(b, text[len(text)-2*digits:]...)
}

// hexTwice returns the hexadecimal text of 16 bits, in hexadecimal. It has no branches, because
// processors cannot predict them for a hash.
func hexTwice(half uint32) uint64 {
	const each = 0x0001_0001_0001_0001 // a digit has two bytes
	digits := uint64(half)
	digits = (digits | digits<<24) & 0x0000_00ff_0000_00ff
	digits = (digits | digits<<12) & (0xf * each)
	letters := (digits + 6*each) >> 4 & each // 1 for 10 and more
	return digits + 0x3330*each + letters*(0x3631-0x3330-10)
}

// parseHashLabel is the inverse of appendHashLabel. It does not allocate.
func parseHashLabel(label string) (uint32, bool) {
	if len(label) == 0 || len(label) > 16 || len(label)%2 != 0 {
		return 0, false
	}
	var hash uint32
	for i := 0; i < len(label); i += 2 {
		high, ok1 := hexDigit(label[i])
		low, ok2 := hexDigit(label[i+1])
		digit, ok3 := hexDigit(high<<4 | low)
		if !ok1 || !ok2 || !ok3 || i == 0 && digit == 0 && len(label) > 2 {
			return 0, false
		}
		hash = hash<<4 | uint32(digit)
	}
	return hash, true
}

// hexDigit returns the value of a lower-case hexadecimal digit.
func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// podAddr parses the first label of a pod name: the pod's address with dashes for dots or colons.
// netip refuses leading zeros in an IPv4 address.
func podAddr(label string) (netip.Addr, bool) {
	if strings.ContainsAny(label, ".:%") {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", "."))
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	}
	return addr, err == nil
}

// cutFirst splits off the first label.
func cutFirst(name string) (label, rest string) {
	label, rest, _ = strings.Cut(name, ".")
	return label, rest
}

// isPlainLabel reports whether s is a label of lower-case letters, digits, "-" and "_", which needs
// no escapes.
func isPlainLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
