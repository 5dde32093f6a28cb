package skydns

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
)

// ErrNotFound is what a Backend returns (possibly wrapped) for a name that
// does not exist: neither records at it nor names below it. The server says
// NXDOMAIN for names of its zone, and forwards reverse names.
var ErrNotFound = errors.New("no such name")

// A Backend holds the data of one zone. The server calls it from many
// goroutines at once.
type Backend interface {
	// Status says whether there is data to answer from.
	Status() Status

	// Records returns what is stored at q.Name that answers q.Type.
	//
	// No records and no error is NODATA: the name exists, or has names below
	// it. A CNAME record may be returned for any address or SRV question; the
	// server follows it. ErrNotFound is NXDOMAIN; every other error SERVFAIL.
	Records(ctx context.Context, q Query) (Answer, error)

	// ReverseRecords returns the PTR records of an address, in name order,
	// or ErrNotFound. The server unmaps IPv4-mapped addresses before it asks.
	ReverseRecords(addr netip.Addr) ([]Record, error)
}

// A Query is a question to a Backend.
type Query struct {
	// Name is absolute and in lower case. A dot inside a label is written
	// \046, so every dot of Name separates labels.
	Name string
	// Type is the type asked for. Backends know TypeA, TypeAAAA, TypeCNAME,
	// TypeSRV, TypeTXT and TypeNS; for other types only existence matters.
	Type uint16
	// Limit is a number of records that certainly fills the reply. A backend
	// may stop collecting there; it still counts the rest in Answer.Total.
	Limit int
}

// An Answer is the data behind one name.
type Answer struct {
	Records []Record
	// Total is the number of distinct records behind the name. It exceeds
	// len(Records) only when Query.Limit cut the list.
	Total int
}

// Status is the state of a Backend's data.
type Status int

// The states of a Backend, in the order in which a start runs through them.
const (
	// NotReady: no data yet. Names of the zone get SERVFAIL with the Extended
	// DNS Error 14 (RFC 8914), never a denial of existence.
	NotReady Status = iota
	// Stale: data of an earlier run that its source has not confirmed yet.
	Stale
	// Ready: data of the source.
	Ready
)

// A PlainBackend can answer common questions without making records. What it
// says is what Records and ReverseRecords would.
type PlainBackend interface {
	Backend
	// Plain answers a question for a name in lower case. It does not allocate,
	// and does not keep name, which is valid during the call only.
	Plain(name string, qtype uint16) Plain
	// PlainReverse returns the one name of an address, in two parts: the first
	// label may be empty. False when there is not just one name.
	PlainReverse(addr netip.Addr) (label, name string, ttl uint32, ok bool)
}

// Plain is an answer in the form that needs the least work.
type Plain struct {
	Kind PlainKind
	// Addrs are the addresses of a PlainAddresses, in network order one after
	// the other, all of the family asked for. They are shared: nobody changes
	// them.
	Addrs []byte
	TTL   uint32
	// Slot is where the packed answer of a PlainPacked is kept.
	Slot *Slot
}

// PlainKind says what a Plain is.
type PlainKind int

// The kinds of plain answers.
const (
	PlainUnknown   PlainKind = iota // ask Records
	PlainNotFound                   // NXDOMAIN
	PlainNoData                     // NODATA
	PlainAddresses                  // Addrs, at least one
	PlainPacked                     // records that are packed once, by the server, and kept in Slot
)

// A Slot keeps packed answers beside the data that they were made of, so that
// they go when it goes. The zero value is empty.
type Slot struct {
	packed atomic.Pointer[packedAnswer]
}
