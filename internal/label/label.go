// Package label checks labels of domain names.
package label

// Reason returns the reason why s is not an RFC 1123 label in lower case, or "".
func Reason(s string) string {
	switch {
	case s == "":
		return "a label must not be empty"
	case len(s) > 63: // RFC 1035 section 2.3.4
		return "a label has at most 63 characters"
	case s[0] == '-' || s[len(s)-1] == '-':
		return "a label must not begin or end with '-'"
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "a label (the part between dots) has only lower-case letters, digits and '-'"
		}
	}
	return ""
}
