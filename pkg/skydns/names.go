package skydns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// escapes replaces an escaped dot by its number, and skips an escaped backslash.
var escapes = strings.NewReplacer(`\\`, `\\`, `\.`, `\046`)

// canonical returns a name in presentation format (RFC 1035 section 5.1) in lower case. Every dot
// inside a label becomes \046, so the remaining dots separate labels.
func canonical(name string) string {
	if strings.IndexByte(name, '\\') >= 0 {
		name = escapes.Replace(name)
	}
	return lower(name)
}

// lower is strings.ToLower for ASCII letters only, as DNS compares names (RFC 4343).
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// isBelow reports whether name is at or below the apex of a zone.
func isBelow(name, apex string) bool {
	at := len(name) - len(apex)
	return at >= 0 && name[at:] == apex && (at == 0 || name[at-1] == '.')
}

// The zones of reverse names (RFC 1035 section 3.5, RFC 3596 section 2.5).
const (
	reverseIPv4 = "in-addr.arpa."
	reverseIPv6 = "ip6.arpa."
)

// isReverse reports whether name is below one of them.
func isReverse(name string) bool {
	return strings.HasSuffix(name, "."+reverseIPv4) || strings.HasSuffix(name, "."+reverseIPv6)
}

// reverseAddr returns the address of a reverse name in lower case. It does not allocate.
func reverseAddr(name string) (netip.Addr, bool) {
	if labels, ok := strings.CutSuffix(name, "."+reverseIPv4); ok {
		return parseOctets(labels)
	}
	nibbles, ok := strings.CutSuffix(name, "."+reverseIPv6)
	if !ok || len(nibbles) != 63 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i := range 32 {
		c := nibbles[62-2*i]
		if i < 31 && nibbles[61-2*i] != '.' {
			return netip.Addr{}, false
		}
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return netip.Addr{}, false
		}
		b[i/2] |= c << (4 * (1 - i%2))
	}
	return netip.AddrFrom16(b).Unmap(), true
}

// parseOctets reads an IPv4 address with its octets in reverse order.
func parseOctets(labels string) (netip.Addr, bool) {
	var ip [4]byte
	for i := range ip {
		octet, rest, more := strings.Cut(labels, ".")
		if more != (i < 3) || octet == "" || len(octet) > 3 || len(octet) > 1 && octet[0] == '0' {
			return netip.Addr{}, false
		}
		n := 0
		for _, c := range []byte(octet) {
			if c < '0' || c > '9' {
				return netip.Addr{}, false
			}
			n = 10*n + int(c-'0')
		}
		if n > 255 {
			return netip.Addr{}, false
		}
		ip[3-i], labels = byte(n), rest
	}
	return netip.AddrFrom4(ip), true
}

// reversePrefix returns the prefix of the addresses with names below name. It accepts names that
// end at an octet of IPv4 or at four bits of IPv6, and are not names of addresses.
func reversePrefix(name string) (netip.Prefix, bool) {
	if labels, ok := strings.CutSuffix(name, "."+reverseIPv4); ok {
		missing := 3 - strings.Count(labels, ".")
		if missing < 1 {
			return netip.Prefix{}, false
		}
		addr, ok := reverseAddr(strings.Repeat("0.", missing) + name)
		return netip.PrefixFrom(addr, 32-8*missing), ok
	}
	labels, ok := strings.CutSuffix(name, "."+reverseIPv6)
	if !ok || len(labels) > 61 || len(labels)%2 == 0 {
		return netip.Prefix{}, false
	}
	missing := 31 - len(labels)/2
	addr, ok := reverseAddr(strings.Repeat("0.", missing) + name)
	if addr.Is4() { // it is within ::ffff:0:0/96: names of IPv4 are not looked up there
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, 128-4*missing), ok
}

// isMeta reports whether a type is not a record type: OPT, and the types for queries and
// transactions, such as AXFR, TSIG and ANY (RFC 6895 section 3.1).
func isMeta(qtype uint16) bool {
	return qtype == dns.TypeOPT || 128 <= qtype && qtype <= 255
}
