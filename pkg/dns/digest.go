package dns

import (
	"crypto/sha256"
	"encoding/binary"
)

// digestOf returns the share of a Service, which can be nil, in the digest. The sum of the shares
// does not depend on their order, and a change costs one hash. Sums of weaker hashes, such as FNV,
// often do not change when two Services swap their addresses.
func digestOf(s *service) uint64 {
	if s == nil {
		return 0
	}
	kind := byte(0)
	for i, is := range []bool{s.external, s.headless, s.usable} {
		if is {
			kind |= 1 << i
		}
	}
	var room [256]byte
	b := append(room[:0], kind)
	b = appendText(b, s.owner)
	b = appendText(b, s.alias())
	b = appendText(b, s.addrs.text)
	if !s.headless {
		return hash(appendPorts(b, s.ports()))
	}
	return hash(b) + digestOfMembers(s)
}

// digestOfMembers returns the sum over the members of a headless Service. If all members are alike,
// it does not depend on whether their list exists yet.
func digestOfMembers(s *service) (sum uint64) {
	var room [256]byte
	if made := s.made.Load(); made != nil && len(s.extra.portSets) > 0 && (s.extra.named || len(s.extra.portSets) > 1) {
		for _, m := range made.all {
			b := appendText(room[:0], s.owner)
			b = appendText(b, s.addrs.raw(int(m.addr)))
			if m.host != 0 {
				b = appendText(b, made.hostnames[m.host-1])
			}
			sum += hash(appendPorts(b, s.extra.portSets[m.ports]))
		}
		return sum
	}
	return hash(appendPorts(room[:0], s.ports()))
}

// hash returns the first 64 bits of a hash that is the same in every process.
func hash(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

func appendPorts(b []byte, ports []Port) []byte {
	for _, p := range ports {
		b = appendText(appendText(b, p.Protocol), p.Name)
		b = binary.BigEndian.AppendUint16(b, p.Number)
	}
	return b
}
