package upstream

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// ednsSize is the largest reply over UDP that a look-up accepts (DNS flag day 2020).
const ednsSize = 1232

// withoutOPT returns a copy of a query without the OPT record at its end, or nil if it has none.
func withoutOPT(query []byte) []byte {
	at := wire.TrailingOPT(query)
	if at < 0 {
		return nil
	}
	bare := append([]byte(nil), query[:at]...)
	binary.BigEndian.PutUint16(bare[10:], binary.BigEndian.Uint16(bare[10:])-1)
	return bare
}

// withOPT turns the reply to a query that was sent without its OPT into the reply to the query with
// it (RFC 6891 section 6.1.1).
func withOPT(reply, query []byte) []byte {
	at := wire.TrailingOPT(query)
	if at < 0 || wire.TrailingOPT(reply) >= 0 {
		return reply
	}
	end, defect := wire.Check(reply)
	if defect != wire.Sound {
		return reply
	}
	do := query[at+7]&0x80 != 0
	return wire.AppendOPT(reply, end, ednsSize, do)
}

// refusesOPT reports whether a reply is an error that a server without EDNS sends for
// a query with OPT (RFC 6891 section 7).
func refusesOPT(reply []byte) bool {
	rcode := int(reply[3] & 0xf)
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented
}
