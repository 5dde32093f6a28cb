package dns

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// appendHashLabel appends the label of an address that has no name of its own.
//
// Compat: clients store these names, so they must be the ones that kube-dns
// has always made: the hash in hexadecimal, and that text once more in
// hexadecimal.
func appendHashLabel(b []byte, hash uint32) []byte {
	var text [8]byte
	return hex.AppendEncode(b, strconv.AppendUint(text[:0], uint64(hash), 16))
}

// parseHashLabel is the inverse of appendHashLabel. It does not allocate.
func parseHashLabel(label string) (uint32, bool) {
	if len(label) == 0 || len(label) > 16 || len(label)%2 != 0 {
		return 0, false
	}
	var hash uint32
	for i := 0; i < len(label); i += 2 {
		high, ok1 := hexDigit(label[i])
		low, ok2 := hexDigit(label[i+1])
		digit, ok3 := hexDigit(high<<4 | low)
		if !ok1 || !ok2 || !ok3 || i == 0 && digit == 0 && len(label) > 2 {
			return 0, false
		}
		hash = hash<<4 | uint32(digit)
	}
	return hash, true
}

// hexDigit is the value of a lower-case hexadecimal digit.
func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// podAddr parses the first label of a pod name: the pod's address with dashes
// for dots or colons. Parts of an IPv4 address have no leading zeros; netip
// accepts none.
func podAddr(label string) (netip.Addr, bool) {
	if strings.ContainsAny(label, ".:%") {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", "."))
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	}
	return addr, err == nil
}

// cutFirst splits off the first label.
func cutFirst(name string) (label, rest string) {
	label, rest, _ = strings.Cut(name, ".")
	return label, rest
}

// isRFC1123Label says whether s can be the name of a namespace: lower-case
// letters, digits and inner dashes, at most 63 of them.
func isRFC1123Label(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isRFC1035Label says whether s can be the name of a Service: an RFC 1123
// label that begins with a letter.
func isRFC1035Label(s string) bool {
	return isRFC1123Label(s) && s[0] >= 'a'
}

// isPlainLabel reports whether s is a label of lower-case letters, digits, "-"
// and "_", which needs no escapes.
func isPlainLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
