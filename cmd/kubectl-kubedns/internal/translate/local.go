package translate

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/corefile"
)

// durationSeconds parses a duration, or plain seconds.
func durationSeconds(text string, otherwise int) int {
	if d, err := time.ParseDuration(text); err == nil {
		return int(d.Seconds())
	}
	if d, err := time.ParseDuration(text + "s"); err == nil {
		return int(d.Seconds())
	}
	return otherwise
}

// hosts translates names with fixed addresses.
func (s scope) hosts(p corefile.Directive) {
	zones := s.names
	falls := false
	if len(p.Args) > 1 {
		zones = p.Args[1:]
	}
	if len(p.Args) > 0 && !s.hostsFile(p) {
		return
	}
	for _, o := range p.Options {
		switch o.Name {
		case "fallthrough":
			falls = true
			if len(o.Args) > 0 {
				s.change(o, codeExcept, "all other names fall through")
			}
		case "ttl":
			s.change(o, codeCache, "dnsmasq gives these records a TTL of 0: "+"--local-ttl="+first(o.Args))
			s.t.options = append(s.t.options, "--local-ttl="+first(o.Args))
		case "no_reverse", "reload":
			s.drop(o, "dnsmasq answers reverse names too")
		default:
			s.hostLine(o, append([]string{o.Name}, o.Args...))
		}
	}
	if falls {
		return
	}
	if slices.Contains(zones, ".") {
		s.refuse(p, codeHosts, "without fallthrough no other name is answered; write fallthrough")
		return
	}
	for _, zone := range zones {
		s.t.options = append(s.t.options, "--local=/"+parseZone(zone).name+"/")
	}
}

// hostsFile adds the lines of a mounted file, and reports whether it exists.
func (s scope) hostsFile(p corefile.Directive) bool {
	name := p.Args[0]
	text, ok := s.t.files[name]
	if !ok && !path.IsAbs(name) {
		for file, content := range s.t.files {
			if path.Base(file) == name {
				text, ok = content, true
			}
		}
	}
	if !ok {
		s.refuse(p, codeHosts, "no ConfigMap of the Deployment has "+name+
			"; mount it into the container dnsmasq and add --addn-hosts="+name)
		return false
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			s.hostLine(p, fields)
		}
	}
	return true
}

// hostLine translates "address name...".
func (s scope) hostLine(at corefile.Directive, fields []string) {
	addr, err := netip.ParseAddr(fields[0])
	if err != nil || len(fields) < 2 {
		s.refuse(at, codeHosts, "want an address and names")
		return
	}
	for _, name := range fields[1:] {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if name == s.t.zone || strings.HasSuffix(name, "."+s.t.zone) {
			s.refuse(at, codeHosts, name+" is a name of the cluster zone: write a Service for it")
			continue
		}
		if strings.ContainsAny(name, "*,/") {
			s.refuse(at, codeHosts, name+": dnsmasq does not accept this name")
			continue
		}
		option := "--host-record=" + name + "," + addr.String()
		s.t.options = append(s.t.options, option)
		s.same(corefile.Directive{Name: addr.String(), Args: []string{name}, Place: at.Place}, option)
	}
}

// answerForm is one address for the name of the query.
var answerForm = regexp.MustCompile(`^\{\{\s*\.Name\s*\}\}\s+(?:\d+\s+)?(?:IN\s+)?(A|AAAA)\s+(\S+)$`)

// template translates one address for all names of a domain, and NXDOMAIN.
func (s scope) template(p corefile.Directive) {
	if len(p.Args) < 2 {
		s.refuse(p, codeTemplate, "want template CLASS TYPE")
		return
	}
	zones := p.Args[2:]
	if len(zones) == 0 {
		zones = s.names
	}
	value, ok := templateValue(p)
	if !ok || slices.Contains(zones, ".") ||
		slices.ContainsFunc(zones, func(z string) bool { return parseZone(z).name == s.t.zone }) {
		s.refuse(p, codeTemplate, "dnsmasq answers a whole domain only with one address or with NXDOMAIN")
		return
	}
	for _, zone := range zones {
		option := "--address=/" + parseZone(zone).name + "/" + value
		s.t.options = append(s.t.options, option)
		s.same(p, option)
	}
}

// templateValue returns the address of a template; empty is NXDOMAIN.
func templateValue(p corefile.Directive) (value string, ok bool) {
	kind := strings.ToUpper(p.Args[1])
	for _, o := range p.Options {
		text := strings.Join(o.Args, " ")
		switch o.Name {
		case "answer":
			m := answerForm.FindStringSubmatch(text)
			if m == nil || m[1] != kind || value != "" {
				return "", false
			}
			if addr, err := netip.ParseAddr(m[2]); err != nil || addr.Is4() != (kind == "A") {
				return "", false
			}
			value, ok = m[2], true
		case "rcode":
			if strings.ToUpper(text) != "NXDOMAIN" || kind != "ANY" {
				return "", false
			}
			ok = true
		case "match":
			if text != ".*" {
				return "", false
			}
		case "fallthrough", "upstream", "ederror":
		default:
			return "", false
		}
	}
	return value, ok
}
