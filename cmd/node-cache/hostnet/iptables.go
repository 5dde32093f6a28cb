package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// lockWait is how long an iptables program waits for the lock that it shares with others.
const lockWait = "5"

// exitLocked is the exit code of an iptables program that did not get the lock.
const exitLocked = 4

// A rule is one rule of iptables.
type rule struct {
	program string // iptables, ip6tables, or one with its backend's name
	table   string
	chain   string
	match   []string
}

// tables is a set of rules in iptables.
type tables struct {
	rules []rule
	// run runs a program; it is exec, except in tests.
	run func(program string, args ...string) (output string, err error)
}

func programFor(addr netip.Addr, backend string) string {
	program := "iptables"
	if addr.Is6() {
		program = "ip6tables"
	}
	if backend != "" {
		program += "-" + backend
	}
	return program
}

// trackRules are the rules for kernels without nf_tables. They hold while the addresses
// are there: addresses end by themselves when no one renews them.
func trackRules(conf Config) []rule {
	var rules []rule
	for _, addr := range conf.Addrs {
		add := func(chain string, match ...string) {
			local := "--dst-type"
			if slices.Contains(match, "-s") {
				local = "--src-type"
			}
			match = append(match, "-m", "addrtype", local, "LOCAL")
			rules = append(rules, rule{programFor(addr, ""), "raw", chain, target(match, "NOTRACK", commentTrack)})
		}
		both := func(chain string, way string, portFlag string) {
			for _, protocol := range []string{"tcp", "udp"} {
				add(chain, "-p", protocol, way, addr.String(), portFlag, port(conf.Port))
			}
		}
		both("PREROUTING", "-d", "--dport")
		both("OUTPUT", "-s", "--sport")
		both("OUTPUT", "-d", "--dport")
		add("OUTPUT", "-p", "tcp", "-d", addr.String(), "--dport", port(conf.HealthPort))
		add("OUTPUT", "-p", "tcp", "-s", addr.String(), "--sport", port(conf.HealthPort))
	}
	return rules
}

// allowRules let DNS through where the policy of INPUT or OUTPUT is DROP.
func allowRules(conf Config, addr netip.Addr, backend string) []rule {
	var rules []rule
	for _, protocol := range []string{"tcp", "udp"} {
		for _, r := range []struct{ chain, way, port string }{
			{"INPUT", "-d", "--dport"}, {"OUTPUT", "-s", "--sport"},
			// Of clients on the node, to whom replies come in through INPUT.
			{"INPUT", "-s", "--sport"}, {"OUTPUT", "-d", "--dport"},
		} {
			match := []string{"-p", protocol, r.way, addr.String(), r.port, port(conf.Port)}
			rules = append(rules,
				rule{programFor(addr, backend), "filter", r.chain, target(match, "ACCEPT", commentAllow)})
		}
	}
	return rules
}

func target(match []string, name, comment string) []string {
	return append(slices.Clone(match), "-m", "comment", "--comment", comment, "-j", name)
}

func port(p uint16) string { return strconv.Itoa(int(p)) }

// ensure adds the rules that are missing in front of others, and returns them.
func (t *tables) ensure() (added []string, err error) {
	for _, r := range t.rules {
		if _, err := t.run(r.program, r.args("-C")...); err == nil {
			continue
		} else if !isMissing(err) {
			return added, programError(r.program, err)
		}
		if _, err := t.run(r.program, r.args("-I")...); err != nil {
			return added, programError(r.program, err)
		}
		added = append(added, r.String())
	}
	return added, nil
}

// remove removes the rules, duplicates too.
func (t *tables) remove() error {
	var trouble error
	for _, r := range t.rules {
		for range 100 { // each run removes one
			if _, err := t.run(r.program, r.args("-D")...); err != nil {
				if !isMissing(err) {
					trouble = errors.Join(trouble, programError(r.program, err))
				}
				break
			}
		}
	}
	return trouble
}

func (r rule) args(command string) []string {
	return append([]string{"-w", lockWait, "-t", r.table, command, r.chain}, r.match...)
}

func (r rule) String() string {
	return fmt.Sprintf("%s -t %s %s %s", r.program, r.table, r.chain, strings.Join(r.match, " "))
}

// isMissing reports whether a program reports that there is no such rule.
func isMissing(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == 1
}

func programError(program string, err error) error {
	kind := KindIPTables
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if exit.ExitCode() == exitLocked {
			kind = KindIPTablesLock
		}
		if text := strings.TrimSpace(string(exit.Stderr)); text != "" {
			return fail(kind, "%s: %s", program, firstLine(text))
		}
	}
	return fail(kind, "%s: %w", program, err)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// run runs a program of the image.
func run(program string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout = &out
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		exit.Stderr = stderr.Bytes()
	}
	return out.String(), err
}
