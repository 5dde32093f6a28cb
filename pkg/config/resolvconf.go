package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// parseResolvConf returns the nameservers of a resolv.conf(5) in order, by the rules of
// dnsmasq: each line with the word "nameserver" or "server" and an IP address counts, and
// the rest of the line is ignored. Addresses keep their scope. The unspecified address is
// ignored.
func parseResolvConf(b []byte) []Nameserver {
	var list []Nameserver
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" && words[0] != "server" {
			continue
		}
		addr, err := netip.ParseAddr(words[1])
		if err != nil || addr.Unmap().IsUnspecified() {
			continue
		}
		list = append(list, newNameserver(addr, DefaultPort))
	}
	return list
}

// ReadResolvConf returns the nameservers of the resolv.conf(5) at path, by the rules of
// dnsmasq. A missing file has none.
func ReadResolvConf(path string) ([]Nameserver, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err // names the path
	}
	return parseResolvConf(b), nil
}

// ReadSearchDomains returns the search domains of the resolv.conf(5) at path in order, in
// lower case without trailing dots: those of the last line with the word "search" or
// "domain". The root, which some programs write for an empty list, is left out. A missing
// file and a domain that is no name are errors.
func ReadSearchDomains(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err // names the path
	}
	var last []string
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		switch {
		case len(words) < 2:
		case words[0] == "search":
			last = words[1:]
		case words[0] == "domain":
			last = words[1:2]
		}
	}
	var domains []string
	for _, word := range last {
		if word == "." {
			continue
		}
		domain := strings.ToLower(strings.TrimSuffix(word, "."))
		if reason := checkName(domain); reason != "" {
			return nil, fmt.Errorf("%s: %w", path, &invalidError{"search domain " + quote(word), reason})
		}
		domains = append(domains, domain)
	}
	return domains, nil
}
