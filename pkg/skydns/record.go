package skydns

import (
	"net/netip"

	"github.com/miekg/dns"
)

// Record types a Backend can return, by their registered numbers.
const (
	TypeA     = dns.TypeA
	TypeNS    = dns.TypeNS
	TypeCNAME = dns.TypeCNAME
	TypePTR   = dns.TypePTR
	TypeTXT   = dns.TypeTXT
	TypeAAAA  = dns.TypeAAAA
	TypeSRV   = dns.TypeSRV
)

// A Record is the data of one resource record. Its owner is the name that was
// asked for, so it has none of its own. Values are shared: nobody changes one.
type Record struct {
	// Type is one of the Type constants; it says which fields count.
	Type uint16
	// TTL in seconds.
	TTL uint32
	// Addr is the address of an A or AAAA record.
	Addr netip.Addr
	// Host is the target of a CNAME, NS, PTR or SRV record, absolute.
	Host string
	// Port is the port of an SRV record.
	Port uint16
	// Addrs are the addresses of an SRV record's Host, where the backend has
	// them at hand; they go into the additional section.
	Addrs []netip.Addr
	// Text is the single string of a TXT record.
	Text string
}
