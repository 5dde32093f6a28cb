package backend

import "net/netip"

// Record types that a Backend can return (IANA registry of RR types).
const (
	TypeA     uint16 = 1
	TypeNS    uint16 = 2
	TypeCNAME uint16 = 5
	TypePTR   uint16 = 12
	TypeTXT   uint16 = 16
	TypeAAAA  uint16 = 28
	TypeSRV   uint16 = 33
)

// A Record is the data of one resource record. Its owner is the name of the query.
// Values are shared and must not be changed.
type Record struct {
	// Type is one of the Type constants. It decides which fields matter.
	Type uint16
	// TTL in seconds.
	TTL uint32
	// Addr is the address of an A or AAAA record.
	Addr netip.Addr
	// Host is the target of a CNAME, NS, PTR or SRV record, absolute.
	Host string
	// Port is the port of an SRV record.
	Port uint16
	// Addrs are the addresses of an SRV record's Host, if the backend has them in memory. They go
	// into the additional section.
	Addrs []netip.Addr
	// Text is the single string of a TXT record.
	Text string
}
