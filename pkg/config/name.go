package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/internal/label"
)

// maxName is the limit of RFC 1035 section 2.3.4. A name of 253 characters without its
// trailing dot takes the maximum of 255 octets in a message.
const maxName = 253

// maxQuoted is how many bytes of a text an error message quotes.
const maxQuoted = 100

// An invalidError is a part of a text that a parser refuses.
type invalidError struct {
	part   string // with the quoted text
	reason string // and what is accepted
}

func (e *invalidError) Error() string { return e.part + ": " + e.reason }

// quote quotes s for an error message.
func quote(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "..."
	}
	return strconv.Quote(s)
}

// checkName returns the reason why s is not an RFC 1123 subdomain in lower case without a
// trailing dot, or "".
func checkName(s string) string {
	switch {
	case s == "":
		return "a name must not be empty"
	case strings.HasSuffix(s, "."):
		return "a name is written without a trailing dot"
	case len(s) > maxName:
		return fmt.Sprintf("a name has at most %d characters", maxName)
	}
	for part := range strings.SplitSeq(s, ".") {
		if reason := label.Reason(part); reason != "" {
			return reason
		}
	}
	return ""
}

// CheckDomain returns an error unless s is an RFC 1123 subdomain in lower case
// without a trailing dot. The error names the invalid label.
func CheckDomain(s string) error {
	for part := range strings.SplitSeq(s, ".") {
		if reason := label.Reason(part); reason != "" {
			return &invalidError{"the label " + quote(part), reason}
		}
	}
	if reason := checkName(s); reason != "" {
		return &invalidError{"the name " + quote(s), reason}
	}
	return nil
}

// endsInNumber reports whether the last label of s consists of digits. Such a name is a
// mistyped address: no top-level domain is a number (RFC 3696 section 2).
func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}
