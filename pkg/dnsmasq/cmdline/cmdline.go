// Package cmdline reads dnsmasq's arguments by dnsmasq's own rules, and adds to them.
package cmdline

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

const (
	defaultConf       = "/etc/dnsmasq.conf"
	defaultResolvConf = "/etc/resolv.conf"
	defaultUser       = "nobody"
	defaultZone       = "cluster.local"
)

// A Line is the part of dnsmasq's arguments, and of the configuration files that they name, that
// the nanny needs.
type Line struct {
	// Args are the arguments.
	Args []string
	// Port is dnsmasq's port; 0 if it does not serve DNS.
	Port uint16
	// Listen are the addresses of --listen-address. Empty: all of them.
	Listen []netip.Addr
	// Interfaces and ExceptInterfaces are the names of --interface and --except-interface. A final
	// "*" marks a prefix.
	Interfaces, ExceptInterfaces []string
	// User is the user of dnsmasq after it has opened its sockets.
	User string
	// Servers are the servers with a domain.
	Servers []upstreams.Server
	// DefaultServer: there is a server for all names.
	DefaultServer bool
	// ResolvFiles are the resolv.conf files that dnsmasq reads, at least one.
	ResolvFiles []string
	// ServersFile is the --servers-file already set; empty: none.
	ServersFile string
	// NamesConf: the arguments name configuration files.
	NamesConf bool
	// Unread names the part of the configuration that cannot be read before dnsmasq runs, with the
	// reason; empty if all of it was read.
	Unread string
	// Options without a value.
	NoResolv, NoPoll, Foreground bool
	// Whether --dns-forward-max and --max-tcp-connections are set.
	ForwardMax, TCPMax bool
}

// OwnUpstreams reports whether the arguments choose upstream servers. The nanny then adds none from
// resolv.conf.
func (c Line) OwnUpstreams() bool {
	return c.NoResolv || c.NamesConf || c.DefaultServer
}

// A LocalAddr is an address of an interface of this machine.
type LocalAddr struct {
	Interface string
	Addr      netip.Addr
}

// QueryAddr is the address for queries to dnsmasq from this machine, whose addresses are local:
// 127.0.0.1 unless the arguments keep dnsmasq from listening there.
func (c Line) QueryAddr(local []LocalAddr) netip.AddrPort {
	addr := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	switch {
	case len(c.Listen) > 0 && !slices.Contains(c.Listen, addr) && !c.Listen[0].IsUnspecified():
		addr = c.Listen[0]
	case len(c.Listen) == 0 && matchesInterface(c.ExceptInterfaces, "lo"):
		for _, a := range local {
			if !a.Addr.IsLoopback() && !matchesInterface(c.ExceptInterfaces, a.Interface) &&
				(len(c.Interfaces) == 0 || matchesInterface(c.Interfaces, a.Interface)) {
				addr = a.Addr
				break
			}
		}
	}
	return netip.AddrPortFrom(addr, c.Port)
}

// matchesInterface reports whether name matches a value of --interface or --except-interface.
func matchesInterface(values []string, name string) bool {
	return slices.ContainsFunc(values, func(value string) bool {
		prefix, isPrefix := strings.CutSuffix(value, "*")
		return value == name || isPrefix && strings.HasPrefix(name, prefix)
	})
}

// Zones returns the domains that the arguments send to the server at target, which is kube-dns;
// "cluster.local" if there are none.
func (c Line) Zones(target netip.AddrPort) []string {
	var zones []string
	for _, s := range c.Servers {
		if s.Addr == target {
			zones = append(zones, s.Domain)
		}
	}
	if len(zones) == 0 {
		return []string{defaultZone}
	}
	return zones
}

// ClusterDomain returns the cluster domain among zones: the first one that is not for reverse
// names.
func ClusterDomain(zones []string) string {
	for _, zone := range zones {
		if zone != "arpa" && !strings.HasSuffix(zone, ".arpa") {
			return zone
		}
	}
	return defaultZone
}

// Read reads args and the configuration files that dnsmasq would read with them. With an error, it
// returns the part that it understood.
func Read(args []string) (Line, error) {
	return readWith(args, defaultConf)
}

// readWith is Read with the path of dnsmasq's default file, for arguments that name none; it can be
// missing.
func readWith(args []string, defaultConf string) (Line, error) {
	r := cmdReader{cmd: Line{Args: slices.Clone(args), Port: config.DefaultPort, User: defaultUser}}
	options, err := parseArgs(args)
	r.apply(options)
	r.cmd.NamesConf = r.confFile || r.confDir || r.cmd.Unread != ""
	if _, err := os.Stat(defaultConf); err == nil && !r.confFile {
		r.read(defaultConf)
	}
	if len(r.cmd.ResolvFiles) == 0 {
		r.cmd.NoResolv = r.cmd.NoResolv || r.noDefaultFile
		r.cmd.ResolvFiles = []string{defaultResolvConf}
	}
	if err != nil {
		return r.cmd, fmt.Errorf("dnsmasq's arguments: %w", err)
	}
	return r.cmd, nil
}

// A cmdReader collects options into a Line.
type cmdReader struct {
	cmd               Line
	confFile, confDir bool     // such an option was set
	noDefaultFile     bool     // --resolv-file without a value removes the default
	seen              []string // files read, to read each only once
}

func (r *cmdReader) apply(options []option) {
	for _, o := range options {
		r.applyOne(o)
	}
}

func (r *cmdReader) applyOne(o option) {
	switch c := &r.cmd; o.name {
	case "port":
		if port, err := strconv.ParseUint(o.value, 10, 16); err == nil {
			c.Port = uint16(port)
		}
	case "listen-address":
		for text := range strings.SplitSeq(o.value, ",") {
			if addr, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
				c.Listen = append(c.Listen, addr)
			}
		}
	case "interface":
		c.Interfaces = append(c.Interfaces, strings.Split(o.value, ",")...)
	case "except-interface":
		c.ExceptInterfaces = append(c.ExceptInterfaces, strings.Split(o.value, ",")...)
	case "user":
		if o.value != "" {
			c.User = o.value
		}
	case "server", "local":
		c.Servers = append(c.Servers, upstreams.ParseOption(o.value)...)
		if o.value != "" && !strings.HasPrefix(o.value, "/") || strings.HasPrefix(o.value, "/#/") {
			c.DefaultServer = true
		}
	case "resolv-file":
		if o.value != "" {
			c.ResolvFiles = append(c.ResolvFiles, o.value)
		} else if len(c.ResolvFiles) == 0 {
			r.noDefaultFile = true
		}
	case "servers-file":
		c.ServersFile = o.value
	case "no-resolv":
		c.NoResolv = true
	case "no-poll":
		c.NoPoll = true
	case "keep-in-foreground", "no-daemon":
		c.Foreground = true
	case "dns-forward-max":
		c.ForwardMax = true
	case "max-tcp-connections":
		c.TCPMax = true
	default:
		r.applyConf(o)
	}
}

// applyConf handles the options that name more configuration.
func (r *cmdReader) applyConf(o option) {
	switch o.name {
	case "conf-file":
		r.confFile = true
		switch o.value {
		case "":
		case "-":
			r.cmd.Unread = "it is read from standard input"
		default:
			r.read(o.value)
		}
	case "conf-script":
		r.cmd.Unread = "the script " + o.value + " writes it"
	case "conf-dir":
		r.confDir = true
		dir, filters, _ := strings.Cut(o.value, ",")
		entries, err := os.ReadDir(dir)
		if err != nil {
			r.cmd.Unread = err.Error()
		}
		for _, entry := range entries {
			if inConfDir(entry.Name(), filters) {
				r.read(filepath.Join(dir, entry.Name()))
			}
		}
	}
}

// read reads the configuration file at path.
func (r *cmdReader) read(path string) {
	if slices.Contains(r.seen, path) {
		return
	}
	r.seen = append(r.seen, path)
	info, err := os.Stat(path) // of the target of a link
	if err == nil && !info.Mode().IsRegular() {
		return // dnsmasq skips directories; reading a pipe would consume its content
	}
	b, err := os.ReadFile(path)
	if err != nil {
		r.cmd.Unread = err.Error()
		return
	}
	r.apply(parseConf(b))
}

// inConfDir reports whether dnsmasq reads a file of this name in a --conf-dir with these filters:
// "*.a" selects only names with that suffix, ".a" excludes them.
func inConfDir(name, filters string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") {
		return false
	}
	only, match := false, false
	for filter := range strings.SplitSeq(filters, ",") {
		ending, isOnly := strings.CutPrefix(filter, "*")
		switch has := strings.HasSuffix(name, ending); {
		case filter == "":
		case isOnly:
			only, match = true, match || has
		case has:
			return false
		}
	}
	return !only || match
}
