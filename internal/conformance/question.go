package conformance

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// A Question is one query in the syntax of dig: name, type, perhaps a class, and options. Without
// options a query uses UDP, with RD and without EDNS.
//
//	wide.size.svc.cluster.local A +tcp
//	version.bind TXT CH
type Question struct {
	Name, Type string
	Class      string // IN when empty
	TCP        bool   // +tcp
	NoRecurse  bool   // +norecurse: RD is clear
	CD         bool   // +cdflag: CD is set
	EDNS       *EDNS  // +bufsize=SIZE, +dnssec, +edns=VERSION; nil: no OPT record
}

// EDNS is the OPT record of a query (RFC 6891).
type EDNS struct {
	Size    uint16 // UDP payload size in bytes
	DO      bool
	Version uint8
}

// UnmarshalText reads a question.
func (q *Question) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return fmt.Errorf("query %q: needs a name and a type", text)
	}
	read := Question{Name: words[0], Type: words[1]}
	for _, word := range words[2:] {
		if err := read.option(word); err != nil {
			return fmt.Errorf("query %q: %w", text, err)
		}
	}
	*q = read
	return nil
}

func (q *Question) option(word string) error {
	key, value, _ := strings.Cut(word, "=")
	if strings.HasPrefix(key, "+bufsize") || key == "+dnssec" || key == "+edns" {
		if q.EDNS == nil {
			q.EDNS = &EDNS{}
		}
	}
	switch key {
	case "+tcp":
		q.TCP = true
	case "+norecurse":
		q.NoRecurse = true
	case "+cdflag":
		q.CD = true
	case "+dnssec":
		q.EDNS.DO = true
	case "+bufsize":
		n, err := strconv.ParseUint(value, 10, 16)
		q.EDNS.Size = uint16(n)
		return err
	case "+edns":
		n, err := strconv.ParseUint(value, 10, 8)
		q.EDNS.Version = uint8(n)
		return err
	default:
		if _, ok := dns.StringToClass[word]; !ok || q.Class != "" {
			return fmt.Errorf("%q is neither a class nor an option", word)
		}
		q.Class = word
	}
	return nil
}

// String returns the question in the form that UnmarshalText reads.
func (q Question) String() string {
	words := []string{q.Name, q.Type}
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(q.Class != "", q.Class)
	add(q.TCP, "+tcp")
	add(q.NoRecurse, "+norecurse")
	add(q.CD, "+cdflag")
	if q.EDNS != nil {
		words = append(words, fmt.Sprintf("+bufsize=%d", q.EDNS.Size))
		add(q.EDNS.DO, "+dnssec")
		add(q.EDNS.Version != 0, fmt.Sprintf("+edns=%d", q.EDNS.Version))
	}
	return strings.Join(words, " ")
}

// MarshalText returns the question as String does.
func (q Question) MarshalText() ([]byte, error) { return []byte(q.String()), nil }
