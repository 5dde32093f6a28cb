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
	// Plain answers questions, all it can before it waits for one: most of what an
	// answer takes in a large zone is memory that is in no cache. It does not
	// allocate, and does not keep names, which are valid during the call only.
	Plain(questions []PlainQuestion)
}

// A PlainQuestion is a question, and the answer to it.
type PlainQuestion struct {
	// Name is in lower case, and Type the type asked for.
	Name string
	Type uint16
	// Addr, when it is valid, asks for the name of an address instead.
	Addr netip.Addr
	// Plain is the answer.
	Plain
}

// Plain is an answer in the form that needs the least work.
type Plain struct {
	Kind PlainKind
	TTL  uint32
	// Addrs are the addresses of a PlainAddresses, in network order one after
	// the other, all of the family asked for.
	Addrs string
	// Slot is where the packed answer of a PlainPacked is kept.
	Slot *Slot
	// Label and Host are the two parts of a PlainName: the first label, which may
	// be empty, and the rest.
	Label, Host string
}

// PlainKind says what a Plain is.
type PlainKind uint8

// The kinds of plain answers.
const (
	PlainUnknown   PlainKind = iota // ask Records, or ReverseRecords
	PlainNotFound                   // NXDOMAIN
	PlainNoData                     // NODATA
	PlainAddresses                  // Addrs, at least one
	PlainPacked                     // records that are packed once, by the server, and kept in Slot
	PlainName                       // the one name of an address
)

// A Slot keeps packed answers beside the data that they were made of, so that
// they go when it goes. The zero value is empty.
type Slot struct {
	packed atomic.Pointer[packedAnswer]
}
