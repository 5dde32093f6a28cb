package backend

import (
	"context"
	"errors"
	"net/netip"
)

// Errors of a Backend, possibly wrapped.
var (
	// ErrNotFound: the name does not exist, with no records and no names below it. The server
	// replies with NXDOMAIN for names of its zone, and forwards reverse names.
	ErrNotFound = errors.New("no such name")
	// ErrNotReady: the name might exist in data that is missing. The server replies with SERVFAIL
	// and the Extended DNS Error 14 (RFC 8914).
	ErrNotReady = errors.New("no data yet")
	// ErrWouldWait: a query with NoWait cannot be answered immediately. The server calls again
	// without NoWait, in a goroutine that can wait.
	ErrWouldWait = errors.New("the answer is not at hand")
)

// A Backend holds the data of one zone. The server calls it from many goroutines at once.
type Backend interface {
	// Status returns the state of the data.
	Status() Status

	// Records returns the records at q.Name that answer q.Type.
	//
	// No records and no error means NODATA: the name exists, or has names below it. A CNAME record
	// can be returned for any question. The server follows it for addresses and SRV. For other
	// types than CNAME it ignores it, unless Answer.Alias is set. ErrNotFound means NXDOMAIN.
	// Errors without a special meaning are SERVFAIL.
	Records(ctx context.Context, q Query) (Answer, error)

	// ReverseRecords returns the PTR records of an address, in name order, or ErrNotFound. The
	// server unmaps IPv4-mapped addresses before the call.
	ReverseRecords(addr netip.Addr) ([]Record, error)

	// ReverseBelow returns nil if addresses within a prefix have PTR records, else ErrNotFound. The
	// prefix is shorter than an address by at least 8 bits (IPv4) or 4 bits (IPv6).
	ReverseBelow(prefix netip.Prefix) error
}

// A Query is a question to a Backend.
type Query struct {
	// Name is absolute and in lower case. A dot inside a label is written
	// \046, so every dot of Name separates labels.
	Name string
	// Type is the type of the question. Backends have records of TypeA, TypeAAAA, TypeCNAME,
	// TypeSRV, TypeTXT and TypeNS. For other types only the existence of the name matters.
	Type uint16
	// Limit is a number of records that is sure to fill the reply. A backend can stop there. It
	// then starts at a random record, so that every record is returned equally often.
	Limit int
	// NoWait requests ErrWouldWait if the answer needs more than memory.
	NoWait bool
}

// An Answer is the data of one name.
type Answer struct {
	Records []Record
	// Total is the number of distinct records of the name. It exceeds len(Records)
	// only when Query.Limit cut the list. Beyond ManyTargets it need not be exact.
	Total int
	// Alias reports that the only record, a CNAME, answers questions for all types but SRV (RFC
	// 1034 section 4.3.2).
	Alias bool
}

// ManyTargets is the smallest number of SRV records with a weight of 0.
const ManyTargets = 101

// Status is the state of a Backend's data.
type Status int

// The states of a Backend, in the order of a start.
const (
	// NotReady: no data yet. Queries for names of the zone get SERVFAIL with the
	// Extended DNS Error 14 (RFC 8914), never a denial of existence.
	NotReady Status = iota
	// Partial: some data. Names in it are answered; the Backend returns ErrNotReady for other
	// names.
	Partial
	// Stale: data of an earlier run that its source has not confirmed yet.
	Stale
	// Ready: data of the source.
	Ready
)

// A PlainBackend can answer common questions without records. Its answers equal those of Records
// and ReverseRecords. It does not allocate, and does not retain names, which are valid only during
// the call.
type PlainBackend interface {
	Backend
	// PlainRecords is Records for a name in lower case.
	PlainRecords(name string, qtype uint16) Plain
	// PlainReverse is ReverseRecords for an address with one name.
	PlainReverse(addr netip.Addr) Plain
}

// Plain is an answer in the form that needs the least work.
type Plain struct {
	Kind PlainKind
	TTL  uint32
	// Addrs are the concatenated addresses of a PlainAddresses, in network order. All are of the
	// family of the question.
	Addrs string
	// Targets and Port are the SRV records of a PlainTargets.
	Targets Targets
	Port    int
	// Label and Host are the two parts of a PlainName: the first label, which can be empty, and the
	// rest.
	Label, Host string
}

// PlainKind is the kind of a Plain.
type PlainKind uint8

// The kinds of plain answers.
const (
	PlainUnknown   PlainKind = iota // call Records, or ReverseRecords
	PlainNotFound                   // NXDOMAIN
	PlainNoData                     // NODATA
	PlainAddresses                  // Addrs, at least one
	PlainTargets                    // SRV records of Targets for Port
	PlainName                       // the one name of an address
)

// Targets are the SRV records of one Service, for each of its ports. They form a ring, so a reply
// can start at any of them. They are immutable.
type Targets interface {
	// CountTargets returns the number of records for a port, at least one.
	CountTargets(port int) int
	// SeekTarget returns the position of the nth record for a port, from 0.
	SeekTarget(port, n int) int
	// NextTarget sets t to the record at the position, or to the first one after it, and returns
	// the next position. It sets at most limit addresses.
	NextTarget(port, at, limit int, t *Target) int
}

// A Target is the data of one SRV record. It is reused.
type Target struct {
	// ID is the same for records that point to the same name.
	ID int
	// Label is the first label of the record's target. Host is the rest, a suffix of the question's
	// name. Label can be empty.
	Label []byte
	Host  string
	Port  uint16
	// A and AAAA are the addresses of the name, in network order.
	A, AAAA []byte
}
