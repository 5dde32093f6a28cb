package cmdline

import (
	"strconv"
	"strings"
)

const (
	// A reload empties the cache; dnsmasq's own limit of 150 waiting queries
	// then refuses those of busy clients until it is warm again.
	optForwardMax = "--dns-forward-max=1500"
	// dnsmasq's own limit of 20 TCP clients, idle or not, lets a few that stay
	// keep all others waiting.
	optTCPMax     = "--max-tcp-connections="
	optForeground = "--keep-in-foreground"
)

// Each TCP client has a process of its own, of about tcpClientMemory bytes.
// dnsmasq and the nanny need tcpBaseMemory without any.
const (
	maxTCPClients   = 500
	minTCPClients   = 20 // dnsmasq's own limit
	tcpClientMemory = 320 << 10
	tcpBaseMemory   = 12 << 20
)

// tcpClients returns how many TCP clients fit into three quarters of a memory
// limit in bytes; 0 means that there is no limit.
func tcpClients(memory int64) int {
	if memory == 0 {
		return maxTCPClients
	}
	fit := (memory/4*3 - tcpBaseMemory) / tcpClientMemory
	return int(min(max(fit, minTCPClients), maxTCPClients))
}

// Usable returns args as the nanny can add options to them: without blank
// ones and without a final "--", which have no effect, and with the option that
// keeps dnsmasq from leaving for the background. why has a line for each
// difference.
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
		why = append(why, "adding "+optForeground+": dnsmasq would leave for the background, where it cannot be watched")
	}
	return usable, why
}

// Added returns the options that the nanny adds with the servers file,
// because the arguments do not set them and dnsmasq has them: help is the output of
// "dnsmasq --help". It adds none that sends a query again
// (--fast-dns-retry): dnsmasq then forwards a query that comes back to it, and a
// loop becomes a storm. memory is the limit of the container in bytes, 0 without
// one.
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
