package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/internal/label"
)

// maxName is the limit of RFC 1035 section 2.3.4. A name of 253 characters without its trailing dot
// needs 255 octets in a message, the maximum.
const maxName = 253

// maxQuoted is the maximum number of bytes of a text in an error message.
const maxQuoted = 100

// A KeyError is a key of a configuration that is invalid.
type KeyError struct {
	// Key is the name of the key in the ConfigMap, or of its file. It is empty for a text from
	// another place, such as a flag.
	Key string
	// Value is the wrong part of the text, such as: server "192.0.2.1:" of domain "acme.example".
	// It is empty if all of the text is wrong.
	Value string
	// Reason explains the error and the accepted form.
	Reason string
}

func (e *KeyError) Error() string {
	text := e.Reason
	if e.Value != "" {
		text = e.Value + ": " + text
	}
	if e.Key != "" {
		text = "key " + e.Key + ": " + text
	}
	return text
}

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
			return &KeyError{Value: "the label " + quote(part), Reason: reason}
		}
	}
	if reason := checkName(s); reason != "" {
		return &KeyError{Value: "the name " + quote(s), Reason: reason}
	}
	return nil
}

// endsInNumber reports whether the last label of s consists of digits. Such a name is a
// mistyped address: no top-level domain is a number (RFC 3696 section 2).
func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}
