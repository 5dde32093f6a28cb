package hostnet

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// accepts are rules in the filter tables of iptables that drop packets of the host. An accept in
// our own table would not prevent the drop in another.
type accepts struct {
	cfg  Config
	made map[string][]netip.Addr // program to addresses
}

// ensure finds filter tables that drop packets, and adds the rules there.
func (a *accepts) ensure() error {
	var errs []error
	for fam, addrs := range families(a.cfg.Addrs) {
		for _, backend := range backends {
			if !hasChain(fam, backend, "filter", "INPUT") {
				continue
			}
			errs = append(errs, a.ensureIn(fam, backend, addrs))
		}
	}
	return errors.Join(errs...)
}

func (a *accepts) ensureIn(fam family, backend string, addrs []netip.Addr) error {
	program, err := findBackend(fam, backend)
	if err != nil {
		return &Error{Kind: KindRules, Err: err}
	}
	if drop, err := drops(program); err != nil || !drop {
		return err
	}
	if a.made == nil {
		a.made = make(map[string][]netip.Addr)
	}
	if a.made[program] == nil {
		a.cfg.Log.Info("a firewall drops packets: added rules that accept DNS", "program", program)
	}
	a.made[program] = addrs
	for _, addr := range addrs {
		for _, r := range filterRules(a.cfg) {
			if _, err := ensureRule(program, r, addr); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *accepts) remove() error {
	var errs []error
	for _, program := range slices.Sorted(maps.Keys(a.made)) {
		for _, addr := range a.made[program] {
			for _, r := range filterRules(a.cfg) {
				errs = append(errs, deleteRule(program, r, addr))
			}
		}
	}
	return errors.Join(errs...)
}

// drops reports whether INPUT or OUTPUT of a program drops or rejects packets that no rule accepts.
func drops(program string) (bool, error) {
	for _, chain := range []string{"INPUT", "OUTPUT"} {
		rules, err := runProgram(program, "-t", "filter", "-S", chain)
		if err != nil || refusesRest(chain, rules) {
			return err == nil, err
		}
	}
	return false, nil
}

// refusesRest reports whether a chain, as printed by -S, has a policy or a rule for all packets
// that drops or rejects them.
func refusesRest(chain, rules string) bool {
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		if line == "-P "+chain+" DROP" || line == "-A "+chain+" -j DROP" ||
			strings.HasPrefix(line, "-A "+chain+" -j REJECT") {
			return true
		}
	}
	return false
}
