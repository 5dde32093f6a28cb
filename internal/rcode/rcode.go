// Package rcode names the response codes of DNS messages.
package rcode

import (
	"strconv"

	"github.com/miekg/dns"
)

// Text returns the mnemonic of a response code in a message without TSIG, or its number after
// "RCODE". In such a message 16 is BADVERS; the library has the name for messages with TSIG (RFC
// 6895 section 2.3).
func Text(rcode int) string {
	if rcode == dns.RcodeBadVers {
		return "BADVERS"
	}
	if text, ok := dns.RcodeToString[rcode]; ok {
		return text
	}
	return "RCODE" + strconv.Itoa(rcode)
}
