package querylog

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A Filter selects entries. The zero Filter selects all.
type Filter struct {
	rcodes map[string]bool // none: all
	types  map[string]bool // none: all
	suffix string          // with leading dot; "": all
	client netip.Prefix    // the zero Prefix: all
	slower time.Duration
}

// filterKeys are the parameters of a filter.
var filterKeys = []string{"rcode", "type", "name", "client", "slower"}

// filter reads the parameters rcode and type (mnemonics, separated by commas), name (the name and
// all names below it), client (an address or a prefix) and slower (a duration).
func (p *params) filter() Filter {
	f := Filter{
		rcodes: words(p, "rcode", dns.StringToRcode, "names of response codes, such as SERVFAIL,NXDOMAIN"),
		types:  words(p, "type", dns.StringToType, "names of types, such as A,AAAA"),
	}
	if name := strings.Trim(p.Get("name"), "."); name != "" {
		f.suffix = "." + strings.ToLower(name) + "."
	}
	if text := p.Get("client"); text != "" {
		var err error
		if f.client, err = parsePrefix(text); err != nil {
			p.wrong("client", "an address or a prefix, such as 10.1.2.3 or 10.1.0.0/16")
		}
	}
	if text := p.Get("slower"); text != "" {
		var err error
		if f.slower, err = time.ParseDuration(text); err != nil || f.slower < 0 {
			p.wrong("slower", "a duration, such as 50ms")
		}
	}
	return f
}

// words reads a list of known words, in upper case.
func words[T any](p *params, key string, known map[string]T, want string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.SplitSeq(p.Get(key), ",") {
		if word = strings.ToUpper(strings.TrimSpace(word)); word == "" {
			continue
		}
		if _, ok := known[word]; !ok {
			p.wrong(key, want)
		}
		set[word] = true
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

// takes reports whether the filter selects an entry.
func (f *Filter) takes(e *Entry) bool {
	switch {
	case len(f.rcodes) > 0 && !f.rcodes[e.RcodeText()]:
	case len(f.types) > 0 && !f.types[e.TypeText()]:
	case f.suffix != "" && e.Name != f.suffix[1:] && !strings.HasSuffix(e.Name, f.suffix):
	case f.client.IsValid() && !f.client.Contains(e.Client):
	case e.Took < f.slower:
	default:
		return true
	}
	return false
}
