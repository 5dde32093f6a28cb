package cmdline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/internal/spelling"
)

// An option is one given option of dnsmasq.
type option struct {
	name  string // the long name, even if the short one was given
	value string // empty when there was none
}

// valueRule is whether an option takes a value.
type valueRule int

const (
	noValue valueRule = iota
	needsValue
	mayHaveValue // in the long form only with "="
)

// shortOptions has "x=name" for each option with a short form, "x:name" if that form needs a value.
// Long forms have other rules.
const shortOptions = `1=enable-dbus 2:no-dhcp-interface 3:bootp-dynamic 4:dhcp-mac 5=no-ping 6:dhcp-script
7:conf-dir 8:log-facility 9=leasefile-ro 0:dns-forward-max A:address B:bogus-nxdomain C:conf-file
D=domain-needed E=expand-hosts F:dhcp-range G:dhcp-host H:addn-hosts I:except-interface J:dhcp-ignore
K=dhcp-authoritative L=localmx M:dhcp-boot N=no-negcache O:dhcp-option P:edns-packet-max Q:query-port
R=no-resolv S:server T:local-ttl U:dhcp-vendorclass V:alias W:srv-host X:dhcp-lease-max Y:txt-record
Z=read-ethers a:listen-address b=bogus-priv c:cache-size d=no-daemon e=selfmx f=filterwin2k g:group
h=no-hosts i:interface j:dhcp-userclass k=keep-in-foreground l:dhcp-leasefile m:mx-host n=no-poll
o=strict-order p:port q=log-queries r:resolv-file s:domain t:mx-target u:user v=version w=help x:pid-file
y=localise-queries z=bind-interfaces`

// The long options of dnsmasq 2.90. The nanny needs all of them, even unused ones, to decide which
// abbreviations are ambiguous.
const (
	longNoValue = `all-servers bind-dynamic bind-interfaces bogus-priv clear-on-reload conntrack
dhcp-authoritative dhcp-client-update dhcp-fqdn dhcp-ignore-clid dhcp-no-override dhcp-rapid-commit
dhcp-sequential-ip dns-loop-detect dnssec dnssec-debug dnssec-no-timecheck domain-needed enable-ra
expand-hosts filter-A filter-AAAA filterwin2k help keep-in-foreground leasefile-ro localise-queries localmx
log-debug log-dhcp no-daemon no-hosts no-ident no-negcache no-ping no-poll no-resolv no-round-robin
proxy-dnssec quiet-dhcp quiet-dhcp6 quiet-ra quiet-tftp read-ethers rebind-localhost-ok script-arp
script-on-renewal selfmx stop-dns-rebind strict-order strip-mac strip-subnet test tftp-lowercase
tftp-no-blocksize tftp-no-fail tftp-secure tftp-single-port version`

	longNeedsValue = `add-cpe-id addn-hosts address alias auth-peer auth-sec-servers auth-server auth-soa auth-ttl
auth-zone bogus-nxdomain bridge-interface caa-record cache-rr cache-size cname conf-dir conf-script
connmark-allowlist dhcp-boot dhcp-circuitid dhcp-duid dhcp-host dhcp-hostsdir dhcp-hostsfile dhcp-ignore
dhcp-lease dhcp-lease-max dhcp-luascript dhcp-mac dhcp-match dhcp-name-match dhcp-option dhcp-option-force
dhcp-optsdir dhcp-optsfile dhcp-pxe-vendor dhcp-range dhcp-relay dhcp-remoteid dhcp-reply-delay dhcp-script
dhcp-scriptuser dhcp-subscrid dhcp-ttl dhcp-userclass dhcp-vendorclass dns-forward-max dns-rr dnssec-limits
dnssec-timestamp domain domain-suffix dumpfile dumpmask dynamic-host edns-packet-max except-interface
filter-rr host-record hostsdir ignore-address interface interface-name ipset listen-address local local-ttl
log-facility max-cache-ttl max-port max-tcp-connections max-ttl min-cache-ttl min-port mx-host mx-target
naptr-record neg-ttl nftset no-dhcp-interface no-dhcpv4-interface no-dhcpv6-interface port port-limit
ptr-record pxe-prompt pxe-service query-port ra-param rebind-domain-ok rev-server server servers-file
shared-network srv-host synth-domain tag-if tftp-max tftp-mtu tftp-port-range tftp-root trust-anchor
txt-record`

	longMayHaveValue = `add-mac add-subnet bootp-dynamic conf-file connmark-allowlist-enable dhcp-alternate-port
dhcp-broadcast dhcp-generate-names dhcp-ignore-names dhcp-leasefile dhcp-proxy dnssec-check-unsigned
enable-dbus enable-tftp enable-ubus fast-dns-retry group local-service log-async log-queries pid-file
resolv-file tftp-unique-root umbrella use-stale-cache user`
)

// A grammar is the set of dnsmasq's options.
type grammar struct {
	long  map[string]valueRule
	short map[byte]shortOption
}

type shortOption struct {
	name string
	rule valueRule
}

func newGrammar() grammar {
	g := grammar{long: map[string]valueRule{}, short: map[byte]shortOption{}}
	for rule, names := range map[valueRule]string{
		noValue: longNoValue, needsValue: longNeedsValue, mayHaveValue: longMayHaveValue,
	} {
		for name := range strings.FieldsSeq(names) {
			g.long[name] = rule
		}
	}
	for s := range strings.FieldsSeq(shortOptions) {
		rule := noValue
		if s[1] == ':' {
			rule = needsValue
		}
		g.short[s[0]] = shortOption{s[2:], rule}
	}
	return g
}

// parseArgs reads args as dnsmasq does, with GNU getopt's rules. Short options can form a cluster
// with the value of the last. Long options can be abbreviated if no other option has that prefix.
// With the first error, it returns the part that it understood. dnsmasq would refuse such
// arguments.
func parseArgs(args []string) (options []option, err error) {
	g := newGrammar()
	for len(args) > 0 {
		found, used, wrong := g.parseArg(args[0], args[1:])
		options = append(options, found...)
		args = args[1+used:]
		err = cmp.Or(err, wrong)
	}
	return options, err
}

// parseArg reads one argument; see parseLong.
func (g grammar) parseArg(arg string, rest []string) ([]option, int, error) {
	switch {
	case strings.HasPrefix(arg, "--") && len(arg) > 2:
		return g.parseLong(arg[2:], rest)
	case strings.HasPrefix(arg, "-") && len(arg) > 1 && arg != "--":
		return g.parseCluster(arg[1:], rest)
	}
	return nil, 0, fmt.Errorf("%q is not an option", arg)
}

// withoutBlank returns args without blank ones. A blank value of an option remains, because the
// option would otherwise use the next argument as its value. last reports whether the final
// argument is not a value.
func withoutBlank(args []string) (list []string, last bool) {
	g := newGrammar()
	for len(args) > 0 {
		_, used, _ := g.parseArg(args[0], args[1:]) // dnsmasq reports what is wrong
		if strings.TrimSpace(args[0]) != "" {
			list, last = append(list, args[:1+used]...), used == 0
		}
		args = args[1+used:]
	}
	return list, last
}

// Options returns the options in args that dnsmasq understands, each as one argument with its long
// name.
func Options(args []string) []string {
	options, _ := parseArgs(args) // invalid options are skipped
	rules := newGrammar().long
	texts := make([]string, 0, len(options))
	for _, o := range options {
		text := "--" + o.name
		if rules[o.name] == needsValue || o.value != "" {
			text += "=" + o.value
		}
		texts = append(texts, text)
	}
	return texts
}

// parseLong reads a long option without its dashes. It returns the number of arguments in rest that
// are its value: zero or one.
func (g grammar) parseLong(text string, rest []string) ([]option, int, error) {
	given, value, hasValue := strings.Cut(text, "=")
	name, err := g.complete(given)
	if err != nil {
		return nil, 0, err
	}
	switch g.long[name] {
	case noValue:
		if hasValue {
			return nil, 0, fmt.Errorf("option --%s takes no value", name)
		}
	case needsValue:
		if hasValue {
			break
		}
		if len(rest) == 0 {
			return nil, 0, fmt.Errorf("option --%s needs a value", name)
		}
		return []option{{name, rest[0]}}, 1, nil
	}
	return []option{{name, value}}, 0, nil
}

// complete returns the full name of a long option that can be abbreviated.
func (g grammar) complete(given string) (string, error) {
	if _, ok := g.long[given]; ok {
		return given, nil
	}
	var found []string
	for name := range g.long {
		if strings.HasPrefix(name, given) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		err := fmt.Errorf("option --%s is unknown", given)
		if near := spelling.Nearest(given, slices.Sorted(maps.Keys(g.long)), 2); near != "" {
			err = fmt.Errorf("%w: did you mean --%s?", err, near)
		}
		return "", err
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("option --%s is ambiguous: --%s", given, strings.Join(found, ", --"))
}

// parseCluster reads short options without the dash; see parseLong.
func (g grammar) parseCluster(text string, rest []string) ([]option, int, error) {
	var options []option
	for i := range len(text) {
		short, ok := g.short[text[i]]
		switch {
		case !ok:
			return options, 0, fmt.Errorf("option -%c is unknown", text[i])
		case short.rule == noValue:
			options = append(options, option{name: short.name})
		case i+1 < len(text):
			return append(options, option{short.name, text[i+1:]}), 0, nil
		case len(rest) > 0:
			return append(options, option{short.name, rest[0]}), 1, nil
		default:
			return options, 0, fmt.Errorf("option -%c needs a value", text[i])
		}
	}
	return options, 0, nil
}

// parseConf reads a configuration file: one long option per line, in full and without dashes. The
// result can include lines that dnsmasq would refuse.
func parseConf(b []byte) []option {
	var options []option
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(uncomment(line), "=")
		name = strings.TrimSpace(name)
		if name != "" {
			options = append(options, option{name, unquote(strings.TrimSpace(value))})
		}
	}
	return options
}

// uncomment cuts line at a "#" that is first or after a space, outside of quotes.
func uncomment(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return line[:i]
		}
	}
	return line
}

// unquote removes quotes, and backslashes between them.
func unquote(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
