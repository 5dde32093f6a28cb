package hostnet

import (
	"errors"
	"net/netip"
	"strings"
)

// stale are unconditional rules of an agent that was killed. They direct queries to the node even
// when our agent has exited.
type stale struct{ cfg Config }

// remove deletes the rules from each backend of iptables. It is called while we serve: an agent
// that still runs adds its rules again.
func (s *stale) remove() error {
	var errs []error
	for fam, addrs := range families(s.cfg.Addrs) {
		for _, backend := range backends {
			if !hasChain(fam, backend, "raw", "PREROUTING") {
				continue
			}
			program, err := findBackend(fam, backend)
			if err != nil {
				continue // cannot be deleted
			}
			errs = append(errs, s.removeFrom(program, addrs))
		}
	}
	return errors.Join(errs...)
}

func (s *stale) removeFrom(program string, addrs []netip.Addr) error {
	rules, err := runProgram(program, "-t", "raw", "-S", "PREROUTING")
	if err != nil {
		return err
	}
	var errs []error
	for _, addr := range addrs {
		if !hasStale(rules, addr) {
			continue
		}
		for _, r := range switchRules(Config{Port: s.cfg.Port, HealthPort: s.cfg.HealthPort}) {
			// Rules from the address match nothing while it is not local.
			if r.from {
				continue
			}
			r.always = true
			errs = append(errs, deleteRule(program, r, addr))
		}
		s.cfg.Log.Info("removed rules of an agent that did not remove them", "program", program, "address", addr)
	}
	return errors.Join(errs...)
}

// hasStale reports whether rules, as printed by -S, have an unconditional rule for addr.
func hasStale(rules string, addr netip.Addr) bool {
	for line := range strings.Lines(rules) {
		if strings.Contains(line, " -d "+addr.String()+"/") && strings.Contains(line, commentRaw) &&
			!strings.Contains(line, "addrtype") {
			return true
		}
	}
	return false
}
