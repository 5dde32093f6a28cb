package dnsmasq

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A lineKind is what a line of dnsmasq's log means to the nanny.
type lineKind int

const (
	lineOther    lineKind = iota
	lineRefused           // the servers file was not taken, or not all of it
	lineOverload          // a query was refused: too many are waiting
	lineLoop              // a server was disabled: it leads back to dnsmasq
	lineLocal             // a server was left out: it is dnsmasq itself
)

var (
	loopLine  = regexp.MustCompile(`NOT using nameserver ([^ #]+)#(\d+) - query loop detected`)
	localLine = regexp.MustCompile(`ignoring nameserver ([^ #]+) - local interface`)
)

// classify reads a line of dnsmasq's log. file is the servers file. The
// address is that of the disabled server; dnsmasq does not name the port of
// local ones, which is then 0.
func classify(line, file string) (lineKind, netip.AddrPort) {
	switch {
	case strings.Contains(line, "Maximum number of concurrent DNS queries"):
		return lineOverload, netip.AddrPort{}
	case file != "" && (strings.HasSuffix(line, " of "+file) || strings.Contains(line, "cannot ") && strings.Contains(line, " "+file+": ")):
		// "bad option at line 3 of FILE", "cannot read FILE: Permission denied"
		return lineRefused, netip.AddrPort{}
	}
	if m := loopLine.FindStringSubmatch(line); m != nil {
		return lineLoop, parseAddrPort(m[1], m[2])
	}
	if m := localLine.FindStringSubmatch(line); m != nil {
		return lineLocal, parseAddrPort(m[1], "0")
	}
	return lineOther, netip.AddrPort{}
}

// parseAddrPort returns the zero value for text that is no address.
func parseAddrPort(host, port string) netip.AddrPort {
	addr, err := netip.ParseAddr(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(number))
}
