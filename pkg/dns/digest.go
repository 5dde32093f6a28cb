package dns

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// digestOf returns what a Service, which may be nil, adds to the digest. The sum of these
// numbers depends on no order, and a change costs only the hash of one Service.
func digestOf(s *service) uint64 {
	if s == nil {
		return 0
	}
	h := xxhash.New()
	kind := byte(0)
	for i, is := range []bool{s.external, s.headless, s.usable} {
		if is {
			kind |= 1 << i
		}
	}
	_, _ = h.Write([]byte{kind}) // it never fails
	writeText(h, s.owner)
	writeText(h, s.alias())
	writeText(h, s.addrs.text)
	if !s.headless {
		writePorts(h, s.ports())
		return h.Sum64()
	}
	return h.Sum64() + digestOfMembers(s)
}

// digestOfMembers returns the sum over the members of a headless Service. Members that
// are all alike are the same ones, whether their list is made or not.
func digestOfMembers(s *service) (sum uint64) {
	h := xxhash.New()
	if made := s.made.Load(); made != nil && len(s.extra.portSets) > 0 && (s.extra.named || len(s.extra.portSets) > 1) {
		for _, m := range made.all {
			h.Reset()
			writeText(h, s.owner)
			writeText(h, s.addrs.raw(int(m.addr)))
			if m.host != 0 {
				writeText(h, made.hostnames[m.host-1])
			}
			writePorts(h, s.extra.portSets[m.ports])
			sum += h.Sum64()
		}
		return sum
	}
	writePorts(h, s.ports())
	return h.Sum64()
}

func writeText(h *xxhash.Digest, text string) {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(text)))
	_, _ = h.Write(length[:])
	_, _ = h.WriteString(text)
}

func writePorts(h *xxhash.Digest, ports []Port) {
	for _, p := range ports {
		writeText(h, p.Protocol)
		writeText(h, p.Name)
		_, _ = h.Write([]byte{byte(p.Number >> 8), byte(p.Number)})
	}
}
