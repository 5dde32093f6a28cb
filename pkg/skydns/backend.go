package skydns

import (
	"context"
	"errors"
	"net/netip"
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
