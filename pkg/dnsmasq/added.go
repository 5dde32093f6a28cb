package dnsmasq

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	// A reload empties the cache; dnsmasq's own limit of 150 waiting queries
	// then refuses those of busy clients until it is warm again.
	optForwardMax = "--dns-forward-max=1500"
	// dnsmasq's own limit of 20 TCP clients, idle or not, lets a few that stay
	// keep all others waiting.
	optTCPMax = "--max-tcp-connections=500"
)

// helpTime is how long dnsmasq may take to list its options.
const helpTime = 2 * time.Second

// addedOptions returns the options that the nanny adds beside the servers file,
// because the arguments do not set them and dnsmasq knows them: help is what
// "dnsmasq --help" writes. It adds none that sends a query again
// (--fast-dns-retry): dnsmasq then forwards a query that comes back to it, and a
// loop becomes a storm.
func addedOptions(cmd CommandLine, help string) []string {
	var added []string
	if !cmd.ForwardMax {
		added = append(added, optForwardMax) // every version knows it
	}
	if !cmd.TCPMax && knows(help, optTCPMax) {
		added = append(added, optTCPMax)
	}
	return added
}

// knows reports whether an option, given with its value, is in help.
func knows(help, option string) bool {
	name, _, _ := strings.Cut(option, "=")
	return strings.Contains(help, name+"=")
}

// readHelp returns what the dnsmasq at path writes about its options.
func readHelp(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--help")
	cmd.WaitDelay = helpTime // a child of its own may keep the output open
	help, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s --help: %w", path, err)
	}
	return string(help), nil
}
