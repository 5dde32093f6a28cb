package querylog

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Filter chooses entries. The zero Filter takes all.
type Filter struct {
	rcodes map[string]bool // nil: all
	types  map[string]bool // nil: all
	suffix string          // with leading dot; "": all
	client netip.Prefix    // the zero Prefix: all
	slower time.Duration
}

// filterKeys are the parameters that ParseFilter reads.
var filterKeys = []string{"rcode", "type", "name", "client", "slower"}

// ParseFilter reads a filter from the parameters rcode and type (mnemonics with commas between
// them), name (a name: it and all names below it), client (an address or a prefix) and
// slower (a duration).
func ParseFilter(values url.Values) (Filter, error) {
	f := Filter{rcodes: words(values.Get("rcode")), types: words(values.Get("type"))}
	for code := range f.rcodes {
		if _, ok := dns.StringToRcode[code]; !ok {
			return f, fmt.Errorf("rcode=%s: want names of response codes, such as SERVFAIL,NXDOMAIN", values.Get("rcode"))
		}
	}
	for t := range f.types {
		if _, ok := dns.StringToType[t]; !ok {
			return f, fmt.Errorf("type=%s: want names of types, such as A,AAAA", values.Get("type"))
		}
	}
	if name := values.Get("name"); strings.Trim(name, ".") != "" {
		f.suffix = "." + strings.ToLower(strings.Trim(name, ".")) + "."
	}
	if text := values.Get("client"); text != "" {
		var err error
		if f.client, err = parsePrefix(text); err != nil {
			return f, fmt.Errorf("client=%s: want an address or a prefix, such as 10.1.2.3 or 10.1.0.0/16", text)
		}
	}
	if text := values.Get("slower"); text != "" {
		var err error
		if f.slower, err = time.ParseDuration(text); err != nil || f.slower < 0 {
			return f, fmt.Errorf("slower=%s: want a duration, such as 50ms", text)
		}
	}
	return f, nil
}

// words returns the words of a list in upper case, or nil for an empty list.
func words(list string) map[string]bool {
	var set map[string]bool
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.ToUpper(strings.TrimSpace(word)); word != "" {
			if set == nil {
				set = map[string]bool{}
			}
			set[word] = true
		}
	}
	return set
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// Takes reports whether the filter chooses an entry.
func (f *Filter) Takes(e *Entry) bool {
	switch {
	case f.rcodes != nil && !f.rcodes[e.RcodeText()]:
	case f.types != nil && !f.types[e.TypeText()]:
	case f.suffix != "" && e.Name != f.suffix[1:] && !strings.HasSuffix(e.Name, f.suffix):
	case f.client.IsValid() && !f.client.Contains(e.Client):
	case e.Took < f.slower:
	default:
		return true
	}
	return false
}
