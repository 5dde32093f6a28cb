package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// ParseResolvConf returns the nameservers of a resolv.conf(5), in order, by
// the rules of dnsmasq: every line whose first word is "nameserver" or "server"
// and whose second is an IP address counts, however many there are; what follows on the
// line is ignored, and so is every other line. IPv6 scopes are kept. The
// unspecified address is no server.
func ParseResolvConf(b []byte) []Nameserver {
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

// ReadResolvConf parses the file at path. A missing file has no nameservers
// and is no error.
func ReadResolvConf(path string) ([]Nameserver, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err // names the path
	}
	return ParseResolvConf(b), nil
}
