package dnsmasq

import "strings"

// maxStandIns bounds the lines of removed stub domains in the servers file.
const maxStandIns = 150

// standIns returns lines of domain, which has none in list, that change no
// answer: the servers that its names are asked at anyway, which are those of the
// closest domain around it, or else the default ones. They are as many and in
// the same order, so that it matters as little when one of them fails.
//
// There are none where the arguments have a say in this: about the domain or one
// around it, or beside the default servers of list. Reverse domains have none
// either, since for these dnsmasq has rules of its own (--bogus-priv).
func (c CommandLine) standIns(list []Server, domain string) []Server {
	if c.OtherWays || c.PlainNames && !strings.Contains(domain, ".") || within(domain, "arpa") {
		return nil
	}
	around := ""
	for _, s := range list {
		if len(s.Domain) > len(around) && within(domain, s.Domain) {
			around = s.Domain
		}
	}
	if around == "" && c.DefaultServer {
		return nil
	}
	for _, said := range c.Domains {
		if len(said) >= len(around) && within(domain, said) {
			return nil
		}
	}
	lines := ofDomain(list, around)
	for i := range lines {
		lines[i].Domain = domain
	}
	return lines
}

// within reports whether a domain is another one or below it.
func within(domain, other string) bool {
	return domain == other || strings.HasSuffix(domain, "."+other)
}
