package conformance

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// names has the values of the macros of a File.
type names struct {
	resolver netip.AddrPort
	// given maps a ClusterIP of the File to the address that the API assigned instead.
	given map[netip.Addr]netip.Addr
	zone  string // of the File, with its final dot
}

var macro = regexp.MustCompile(`\{[^{}]*\}`)

// expand replaces the macros of a text: {hash:<ip>}, {arpa:<ip>}, {resolver}.
func (n names) expand(text string) (string, error) {
	var failed error
	text = macro.ReplaceAllStringFunc(text, func(m string) string {
		kind, arg, _ := strings.Cut(strings.Trim(m, "{}"), ":")
		if kind == "resolver" && arg == "" {
			return n.resolver.String()
		}
		if kind != "hash" && kind != "arpa" {
			return m // braces of JSON, not ours
		}
		ip, err := netip.ParseAddr(arg)
		if err != nil {
			failed = fmt.Errorf("macro %s: %w", m, err)
			return m
		}
		ip = n.actual(ip)
		if kind == "arpa" {
			return reverseName(ip)
		}
		return hashLabel(ip)
	})
	return text, failed
}

// actual returns the assigned address for a declared ClusterIP.
func (n names) actual(ip netip.Addr) netip.Addr {
	if given, ok := n.given[ip]; ok {
		return given
	}
	return ip
}

// query returns the question and its expectation without macros.
func (n names) query(q Query) (Query, error) {
	name, err := n.expand(q.Question.Name)
	if err != nil {
		return q, err
	}
	q.Question.Name, q.Zone = name, n.zone
	q.Expect, err = n.expect(q.Expect)
	if err == nil && q.UpstreamExpect != nil {
		var e Expect
		e, err = n.expect(*q.UpstreamExpect)
		q.UpstreamExpect = &e
	}
	return q, err
}

func (n names) expect(e Expect) (Expect, error) {
	lists := []*Records{&e.Answer, &e.AnswerContains, &e.AnswerSubset, &e.Additional, &e.AdditionalContains}
	if e.Authority != nil {
		authority := *e.Authority
		e.Authority = &authority
		lists = append(lists, &authority.Records)
	}
	alternatives := append([]Records(nil), e.AnswerAnyOf...)
	e.AnswerAnyOf = alternatives
	for i := range alternatives {
		lists = append(lists, &alternatives[i])
	}
	for _, list := range lists {
		records, err := n.records(*list)
		if err != nil {
			return e, err
		}
		*list = records
	}
	return e, nil
}

// records preserves the difference between no list and an empty one.
func (n names) records(in Records) (Records, error) {
	if in == nil {
		return nil, nil
	}
	out := make(Records, 0, len(in))
	for _, r := range in {
		var err error
		if r.Owner, err = n.expand(r.Owner); err != nil {
			return nil, err
		}
		if r.Rdata, err = n.expand(r.Rdata); err != nil {
			return nil, err
		}
		if ip, err := netip.ParseAddr(r.Rdata); err == nil && (r.Type == "A" || r.Type == "AAAA") {
			r.Rdata = n.actual(ip).String()
		}
		out = append(out, r)
	}
	return out, nil
}

// hashLabel returns the label of an address without a host name: the FNV-1a hash of 32 bits
// of the text below in lower-case hexadecimal without padding, and its characters once more
// in hexadecimal. The server under test has its own implementation.
func hashLabel(ip netip.Addr) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "&{%s 0 10 10  false 30 0  }", ip)
	return hex.EncodeToString([]byte(strconv.FormatUint(uint64(h.Sum32()), 16)))
}

// reverseName returns the name of an address below in-addr.arpa or ip6.arpa
// (RFC 1035 section 3.5, RFC 3596 section 2.5), without the final dot.
func reverseName(ip netip.Addr) string {
	name, err := dns.ReverseAddr(ip.String())
	if err != nil {
		panic(fmt.Sprintf("conformance: reverse name of %s: %v", ip, err))
	}
	return strings.TrimSuffix(name, ".")
}
