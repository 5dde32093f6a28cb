package skydns

import (
	"bytes"
	"encoding/binary"

	"github.com/miekg/dns"
)

// fitForwarded returns another server's reply as it is where the client takes
// its size, else with TC set and as many whole records as fit. OPT stays.
func fitForwarded(reply []byte, limit int) []byte {
	if len(reply) <= limit {
		return reply
	}
	m := new(dns.Msg)
	if m.Unpack(reply) == nil {
		m.Truncate(limit)
		if packed, err := m.Pack(); err == nil && len(packed) <= limit {
			return packed
		}
	}
	// The library does not read it: the header and the question are left.
	short := append(bytes.Clone(reply[:headerSize]), question(reply)...)
	short[2] |= 2
	clear(short[4:headerSize])
	if len(short) > headerSize {
		binary.BigEndian.PutUint16(short[4:], 1)
	}
	return short
}
