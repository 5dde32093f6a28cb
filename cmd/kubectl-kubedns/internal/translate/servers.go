package translate

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// server translates --server and --local.
func (t *toCoreDNS) server(o, value string) {
	rest, isDomain := strings.CutPrefix(value, "/")
	if !isDomain {
		if s, ok := dnsmasqServer(value); ok {
			t.upstreams = append(t.upstreams, s)
			t.found.add(Same, "", placeDnsmasq, o, "forward . "+s)
		} else if value != "" {
			t.found.add(Refused, codeOption, placeDnsmasq, o,
				"CoreDNS takes an address and a port, without interface or source")
		}
		return
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want /DOMAIN/SERVER")
		return
	}
	for domain := range strings.SplitSeq(rest[:i], "/") {
		t.domainServer(o, strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(domain, ".")), "."), rest[i+1:])
	}
}

func (t *toCoreDNS) domainServer(o, domain, server string) {
	host, port, _ := strings.Cut(server, "#")
	switch addr, err := netip.ParseAddr(host); {
	case server == "#":
		t.found.add(Dropped, "", placeDnsmasq, o, "forward takes all other names")
	case server == "":
		if domain != "" {
			t.templates = append(t.templates, "template ANY ANY "+domain+" {\n        rcode NXDOMAIN\n    }")
			t.found.add(Same, "", placeDnsmasq, o, "template ANY ANY "+domain+" { rcode NXDOMAIN }")
		}
	case err == nil && addr.IsLoopback() && (port == "10053" || port == "53"):
		t.found.add(Same, "", placeDnsmasq, o, "kubernetes")
	default:
		s, ok := dnsmasqServer(server)
		if !ok || domain == "" || domain == "#" {
			t.found.add(Refused, codeOption, placeDnsmasq, o,
				"CoreDNS takes an address and a port, without interface or source")
			return
		}
		t.stub(placeDnsmasq, o, domain, []string{s})
	}
}

// dnsmasqServer reads "address#port".
func dnsmasqServer(text string) (string, bool) {
	host, port, hasPort := strings.Cut(text, "#")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || strings.Contains(text, "@") {
		return "", false
	}
	if !hasPort || port == "53" {
		return addr.String(), true
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", false
	}
	return net.JoinHostPort(addr.String(), port), true
}

func (t *toCoreDNS) revServer(o, value string) {
	network, server, _ := strings.Cut(value, ",")
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		if addr, addrErr := netip.ParseAddr(network); addrErr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
	}
	s, ok := dnsmasqServer(server)
	if err != nil || !ok {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want NETWORK/BITS,ADDRESS")
		return
	}
	zone := prefix.Masked().String()
	t.reverseBlocks[zone] = append(t.reverseBlocks[zone], s)
	t.found.add(Same, "", placeDnsmasq, o, zone+":53 { forward . "+s+" }")
}

// address translates --address=/DOMAIN/ADDRESS.
func (t *toCoreDNS) address(o, value string) {
	rest, ok := strings.CutPrefix(value, "/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want /DOMAIN/ADDRESS")
		return
	}
	for domain := range strings.SplitSeq(rest[:i], "/") {
		domain = strings.ToLower(strings.Trim(domain, "."))
		text, ok := addressTemplate(domain, rest[i+1:])
		if !ok || domain == "" || domain == "#" {
			t.found.add(Refused, codeOption, placeDnsmasq, o, "CoreDNS has no equivalent for all names at once")
			continue
		}
		t.templates = append(t.templates, text...)
		t.found.add(Same, "", placeDnsmasq, o, strings.Join(strings.Fields(strings.Join(text, " ")), " "))
	}
}

// addressTemplate returns plugins that answer a domain with one address.
func addressTemplate(domain, address string) ([]string, bool) {
	one := func(addr netip.Addr) string {
		kind := "AAAA"
		if addr.Is4() {
			kind = "A"
		}
		return fmt.Sprintf("template IN %s %s {\n        answer \"{{ .Name }} 60 IN %s %s\"\n        "+
			"fallthrough\n    }", kind, domain, kind, addr)
	}
	switch address {
	case "":
		return []string{"template ANY ANY " + domain + " {\n        rcode NXDOMAIN\n    }"}, true
	case "#":
		return []string{one(netip.IPv4Unspecified()), one(netip.IPv6Unspecified())}, true
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return nil, false
	}
	return []string{one(addr)}, true
}

// hostRecord translates --host-record=NAME[,NAME][,ADDRESS][,ADDRESS][,TTL].
func (t *toCoreDNS) hostRecord(o, value string) {
	var names, addrs []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if addr, err := netip.ParseAddr(part); err == nil {
			addrs = append(addrs, addr.String())
		} else if _, err := strconv.Atoi(part); err != nil && part != "" {
			names = append(names, strings.ToLower(part))
		}
	}
	if len(names) == 0 || len(addrs) == 0 || !validNames(names) {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want NAME,ADDRESS")
		return
	}
	for _, addr := range addrs {
		t.hosts = append(t.hosts, addr+" "+strings.Join(names, " "))
	}
	t.found.add(Same, "", placeDnsmasq, o, "hosts { "+strings.Join(addrs, ", ")+" "+strings.Join(names, " ")+" }")
}

// record translates options that make one record.
func (t *toCoreDNS) record(o, option, value string) {
	parts := strings.Split(value, ",")
	name := strings.ToLower(strings.TrimSuffix(parts[0], "."))
	kind, data := "", ""
	switch {
	case option == "cname" && len(parts) == 2:
		kind, data = "CNAME", strings.TrimSuffix(parts[1], ".")+"."
	case option == "ptr-record" && len(parts) == 2:
		kind, data = "PTR", strings.TrimSuffix(parts[1], ".")+"."
	case option == "mx-host" && len(parts) == 3:
		kind, data = "MX", parts[2]+" "+strings.TrimSuffix(parts[1], ".")+"."
	case option == "srv-host" && len(parts) == 5:
		target := strings.TrimSuffix(parts[1], ".") + "."
		kind, data = "SRV", strings.Join([]string{parts[3], parts[4], parts[2], target}, " ")
	}
	if kind == "" || !validNames(append([]string{name}, strings.Fields(data)...)) {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "write a template for it by hand")
		return
	}
	class := kind
	if kind == "CNAME" {
		class = "ANY"
	}
	text := fmt.Sprintf(
		"template IN %s %s {\n        match \"^%s[.]$\"\n        answer \"{{ .Name }} 60 IN %s %s\"\n        "+
			"fallthrough\n    }",
		class,
		name,
		strings.ReplaceAll(name, ".", "[.]"),
		kind,
		data,
	)
	t.templates = append(t.templates, text)
	t.found.add(Same, "", placeDnsmasq, o, "template IN "+class+" "+name)
}

// validNames reports whether names are valid in a Corefile without quotes.
func validNames(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
		return name == "" || strings.Trim(name, allowed) != ""
	})
}
