package sidecar

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultInterval = 5 * time.Second
	defaultPort     = "53"
)

// A Target is the query of one probe, its server and its interval. Values are returned by
// [ParseTarget] and not changed afterwards.
type Target struct {
	// Label names the probe in metric names and in the path of its state:
	// letters, digits and underscores.
	Label string
	// Network is "udp" or "tcp".
	Network string
	// Server is host:port.
	Server string
	// Name is the absolute domain name of the query.
	Name string
	// Interval is the time between two queries, in whole seconds.
	Interval time.Duration
	// Type is the record type of the query, such as "SRV".
	Type string
}

var labelPattern = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)

// types maps the types of queries to their numbers.
var types = map[string]uint16{
	"ANY":  dns.TypeANY,
	"A":    dns.TypeA,
	"AAAA": dns.TypeAAAA,
	"SRV":  dns.TypeSRV,
}

// ParseTarget reads the text of a probe:
//
//	<label>,[tcp://]<server>,<name>[,<interval in seconds>[,<type>]]
//
// The server is a host or an address, with or without a port. The default port is 53, the default
// interval 5 seconds and the default type ANY.
func ParseTarget(text string) (Target, error) {
	fields := strings.Split(text, ",")
	if len(fields) < 3 || len(fields) > 5 {
		return Target{}, errors.New("must have 3 to 5 fields: label,server,name[,interval[,type]]")
	}
	t := Target{Label: fields[0], Interval: defaultInterval, Type: "ANY"}
	if !labelPattern.MatchString(t.Label) {
		return Target{}, fmt.Errorf("label %q: only letters, digits and _ may be used", t.Label)
	}
	var err error
	if t.Network, t.Server, err = parseServer(fields[1]); err != nil {
		return Target{}, fmt.Errorf("server %q: %w", fields[1], err)
	}
	if fields[2] == "" {
		return Target{}, errors.New("the name is empty; write the name to query, such as " +
			"kubernetes.default.svc.cluster.local")
	}
	t.Name = dns.Fqdn(fields[2])
	if _, ok := dns.IsDomainName(t.Name); !ok || !dns.IsFqdn(t.Name) { // not absolute after a lone \
		return Target{}, fmt.Errorf("name %q: not a domain name", fields[2])
	}
	if len(fields) > 3 {
		if t.Interval, err = parseInterval(fields[3]); err != nil {
			return Target{}, fmt.Errorf("interval %q: %w", fields[3], err)
		}
	}
	if len(fields) > 4 {
		t.Type = fields[4]
	}
	if _, ok := types[t.Type]; !ok {
		return Target{}, fmt.Errorf("type %q: use one of A, AAAA, SRV, ANY", t.Type)
	}
	return t, nil
}

// String returns the text that ParseTarget parses to the same Target.
func (t Target) String() string {
	server := t.Server
	if t.Network == "tcp" {
		server = "tcp://" + server
	}
	return fmt.Sprintf("%s,%s,%s,%d,%s", t.Label, server, t.Name, t.Interval/time.Second, t.Type)
}

// parseServer splits text into a network and an address to dial.
func parseServer(text string) (network, address string, err error) {
	network = "udp"
	if rest, ok := strings.CutPrefix(text, "tcp://"); ok {
		network, text = "tcp", rest
	}
	host, service, err := net.SplitHostPort(withPort(text))
	if err != nil {
		return "", "", errors.New("use host, host:port, or [address]:port for IPv6")
	}
	if host == "" {
		return "", "", errors.New("the host is empty; use host, host:port, or [address]:port for IPv6, such as " +
			"127.0.0.1:10053")
	}
	// Compat: a service name, such as domain, can replace a number.
	port, err := net.LookupPort(network, service)
	if err != nil || port == 0 {
		return "", "", fmt.Errorf("port %q is not a number from 1 to 65535", service)
	}
	return network, net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// withPort adds the usual port to a host without one. A bare IPv6 address, with or without
// brackets, has none.
func withPort(text string) string {
	bracketed := strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]")
	if bracketed || !strings.Contains(text, ":") {
		return text + ":" + defaultPort
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return net.JoinHostPort(addr.String(), defaultPort)
	}
	return text
}

// maxInterval is a day: a longer interval is a mistake.
const maxInterval = 24 * 60 * 60

// parseInterval reads a number of seconds, from 1 to maxInterval.
func parseInterval(text string) (time.Duration, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("not a whole number of seconds, such as 5")
	}
	if seconds < 1 || seconds > maxInterval {
		return 0, fmt.Errorf("must be from 1 to %d seconds", maxInterval)
	}
	return time.Duration(seconds) * time.Second, nil
}
