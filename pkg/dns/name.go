package dns

import (
	"encoding/hex"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
)

// hashLabel is the label of an address that has no name of its own.
//
// Compat: clients store these names, so they must be the ones that kube-dns
// has always made: the FNV-1a hash of the printed record, in hexadecimal, and
// that text once more in hexadecimal.
func hashLabel(addr netip.Addr) string {
	h := fnv.New32a()
	h.Write([]byte("&{" + addr.String() + " 0 10 10  false 30 0  }"))
	return hex.EncodeToString(strconv.AppendUint(nil, uint64(h.Sum32()), 16))
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
