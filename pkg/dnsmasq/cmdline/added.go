package cmdline

import (
	"strconv"
	"strings"
)

const (
	// A reload empties the cache. Until it is warm again, dnsmasq's default limit of 150 pending
	// queries would refuse queries of busy clients.
	optForwardMax = "--dns-forward-max=1500"
	// With dnsmasq's default limit of 20 TCP clients, a few idle connections would block all other
	// clients.
	optTCPMax     = "--max-tcp-connections="
	optForeground = "--keep-in-foreground"
)

// Each TCP client has its own process of about tcpClientMemory bytes. dnsmasq and the nanny need
// tcpBaseMemory without any.
const (
	maxTCPClients   = 500
	minTCPClients   = 20 // dnsmasq's default limit
	tcpClientMemory = 320 << 10
	tcpBaseMemory   = 12 << 20
)

// tcpClients returns the number of TCP clients that fit into three quarters of a memory limit in
// bytes; 0 means no limit.
func tcpClients(memory int64) int {
	if memory == 0 {
		return maxTCPClients
	}
	fit := (memory/4*3 - tcpBaseMemory) / tcpClientMemory
	return int(min(max(fit, minTCPClients), maxTCPClients))
}

// Usable returns args in a form to which the nanny can add options. It drops blank arguments and a
// final "--", which have no effect, and adds the option that keeps dnsmasq in the foreground. why
// has a line for each difference.
func Usable(args []string) (usable, why []string) {
	usable, last := withoutBlank(args)
	if len(usable) < len(args) {
		why = append(why, "ignoring blank arguments for dnsmasq")
	}
	if n := len(usable); n > 0 && last && usable[n-1] == "--" {
		usable = usable[:n-1]
		why = append(why, "ignoring the final -- of dnsmasq's arguments")
	}
	if cmd, err := Read(usable); err == nil && !cmd.Foreground {
		usable = append([]string{optForeground}, usable...)
		why = append(why, "adding "+optForeground+": dnsmasq would run in the background, where it cannot be watched")
	}
	return usable, why
}

// Added returns the options that the nanny adds with the servers file, because the arguments do not
// set them and dnsmasq has them. help is the output of "dnsmasq --help". It adds no option that
// sends a query again (--fast-dns-retry): dnsmasq then forwards a query that returns to it, and a
// loop becomes a storm. memory is the memory limit of the container in bytes, 0 for none.
func Added(cmd Line, help string, memory int64) []string {
	var added []string
	if !cmd.ForwardMax {
		added = append(added, optForwardMax) // every version has it
	}
	if !cmd.TCPMax && strings.Contains(help, optTCPMax) {
		added = append(added, optTCPMax+strconv.Itoa(tcpClients(memory)))
	}
	return added
}
