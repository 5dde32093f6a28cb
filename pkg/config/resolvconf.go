package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// ReadResolvConf returns the nameservers of the resolv.conf(5) at path in order, by the rules of
// dnsmasq: each line with the word "nameserver" or "server" and an IP address counts, and the rest
// of the line is ignored. Addresses keep their scope. The unspecified address is ignored. A missing
// file has none.
func ReadResolvConf(path string) ([]Nameserver, error) {
	lines, err := resolvConfLines(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []Nameserver
	for _, words := range lines {
		if words[0] != "nameserver" && words[0] != "server" {
			continue
		}
		addr, err := netip.ParseAddr(words[1])
		if err == nil && !addr.Unmap().IsUnspecified() {
			list = append(list, newNameserver(addr, DefaultPort))
		}
	}
	return list, err
}

// resolvConfLines returns the words of each line of a resolv.conf(5) with two or more.
func resolvConfLines(path string) ([][]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err // names the path
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 {
			lines = append(lines, words)
		}
	}
	return lines, nil
}

// ReadSearchDomains returns the search domains of the resolv.conf(5) at path in order, in lower
// case without trailing dots. They are in the last line with the word "search" or "domain". The
// root, which some programs write for an empty list, is skipped. A missing file and an invalid
// domain are errors.
func ReadSearchDomains(path string) ([]string, error) {
	lines, err := resolvConfLines(path)
	if err != nil {
		return nil, err
	}
	var last []string
	for _, words := range lines {
		switch words[0] {
		case "search":
			last = words[1:]
		case "domain":
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
			return nil, fmt.Errorf("%s: %w", path, &KeyError{Value: "search domain " + quote(word), Reason: reason})
		}
		domains = append(domains, domain)
	}
	return domains, nil
}
