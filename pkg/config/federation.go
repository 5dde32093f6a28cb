package config

import (
	"strings"

	"github.com/kube-dns/kube-dns/internal/label"
)

// ParseFederations parses "name=domain,name=domain", the value of the key federations and of the
// flag --federations. A name is an RFC 1123 label, a domain an RFC 1123 subdomain, both in lower
// case. Blanks around them are ignored. The last of several equal names counts. Blank text has no
// federations.
func ParseFederations(s string) (map[string]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	federations := make(map[string]string)
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		name, domain, found := strings.Cut(part, "=")
		if !found {
			return nil, &KeyError{Value: quote(part), Reason: "want name=domain, for example myfed=fed.example.com"}
		}
		name, domain = strings.TrimSpace(name), strings.TrimSpace(domain)
		if reason := label.Reason(name); reason != "" {
			return nil, &KeyError{Value: quote(part), Reason: "the name " + quote(name) + " is not a label: " + reason}
		}
		if reason := checkName(domain); reason != "" {
			return nil, &KeyError{Value: quote(part), Reason: "the domain " + quote(domain) + " is not a domain name: " + reason}
		}
		federations[name] = domain
	}
	return federations, nil
}
