package querylog

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
)

// An Entry is a query together with its reply.
type Entry struct {
	Time   time.Time  // of the receipt of the query
	Client netip.Addr // the zero Addr: omitted
	TCP    bool
	Name   string // in lower case with trailing dot; "" when the query has no readable question
	Type   uint16
	Rcode  int
	Size   int           // of the reply, in bytes
	Took   time.Duration // from the receipt of the query to the reply
	Path   Path
	// Message is Tap.Message of the reply.
	Message []byte
	Draw    uint32 // of Tap.Pick
}

// A Path is the part of a server that answered.
type Path string

// The paths.
const (
	Fast     Path = "fast"     // the zone or its reverse names, by the fast path
	Zone     Path = "zone"     // the zone
	Reverse  Path = "reverse"  // the zone's reverse names, else an upstream
	Upstream Path = "upstream" // an upstream
	Refused  Path = "refused"  // nothing: the query was not processed
)

// Proto returns "udp" or "tcp".
func (e *Entry) Proto() string {
	if e.TCP {
		return "tcp"
	}
	return "udp"
}

// RcodeText returns the mnemonic of the response code.
func (e *Entry) RcodeText() string { return rcode.Text(e.Rcode) }

// TypeText returns the mnemonic of the type.
func (e *Entry) TypeText() string { return dns.Type(e.Type).String() }

// ClientText returns the address, or "" if it was omitted.
func (e *Entry) ClientText() string {
	if !e.Client.IsValid() {
		return ""
	}
	return e.Client.String()
}
