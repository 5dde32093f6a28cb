package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxDuplicates limits the deletion of equal rules.
const maxDuplicates = 1000

// iptables adds rules with the programs iptables and ip6tables.
type iptables struct {
	cfg      Config
	programs map[family]string
	rules    []rule
	placed   bool // the rules were in place
	checked  bool // selfRules were in place
}

func openIPTables(cfg Config) (*iptables, error) {
	b := &iptables{cfg: cfg, programs: make(map[family]string), rules: switchRules(cfg)}
	for fam := range families(cfg.Addrs) {
		path, err := lookProgram(fam.program(""))
		if err != nil {
			return nil, err
		}
		b.programs[fam] = path
	}
	return b, nil
}

// put inserts missing rules.
func (b *iptables) put() error {
	if err := b.ensure(b.rules, b.placed); err != nil {
		return err
	}
	b.placed = true
	return nil
}

// check restores deleted rules.
func (b *iptables) check() error {
	err := b.ensure(selfRules(b.cfg), b.checked)
	b.checked = true
	if err == nil && b.placed {
		err = b.ensure(b.rules, true)
	}
	return err
}

// ensure inserts missing rules. It logs those that existed before.
func (b *iptables) ensure(rules []rule, before bool) error {
	for _, addr := range b.cfg.Addrs {
		for _, r := range rules {
			added, err := ensureRule(b.programs[familyOf(addr)], r, addr)
			if err != nil {
				return err
			}
			if added && before {
				text := "Added back nodelocaldns rule - " + r.table() + " " + describe(r, addr)
				b.cfg.Log.Info(text) //nolint:sloglint // the text of the original
			}
		}
	}
	return nil
}

func (b *iptables) remove() error {
	err := b.delete(b.rules)
	b.placed = b.placed && err != nil
	return err
}

func (b *iptables) delete(rules []rule) error {
	var errs []error
	for _, addr := range b.cfg.Addrs {
		for _, r := range rules {
			errs = append(errs, deleteRule(b.programs[familyOf(addr)], r, addr))
		}
	}
	return errors.Join(errs...)
}

func (b *iptables) close(leave bool) error {
	if leave {
		return nil
	}
	return errors.Join(b.remove(), b.delete(selfRules(b.cfg)))
}

func describe(r rule, addr netip.Addr) string {
	return r.chain + " " + strings.Join(r.iptables(addr), " ")
}

// ensureRule inserts a rule if it is missing.
func ensureRule(program string, r rule, addr netip.Addr) (added bool, err error) {
	spec := append([]string{r.chain}, r.iptables(addr)...)
	if _, err := runProgram(program, append([]string{"-t", r.table(), "-C"}, spec...)...); err == nil || isLock(err) {
		return false, err
	}
	_, err = runProgram(program, append([]string{"-t", r.table(), "-I"}, spec...)...)
	return err == nil, err
}

// deleteRule deletes a rule until none is left.
func deleteRule(program string, r rule, addr netip.Addr) error {
	spec := append([]string{r.chain}, r.iptables(addr)...)
	for range maxDuplicates {
		_, err := runProgram(program, append([]string{"-t", r.table(), "-D"}, spec...)...)
		if isLock(err) {
			return err
		}
		if err == nil {
			continue
		}
		// The exit code is the same for a missing rule.
		if _, found := runProgram(program, append([]string{"-t", r.table(), "-C"}, spec...)...); found == nil {
			return err
		}
		return nil
	}
	return nil
}

func isLock(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == KindRulesLock
}

// runProgram runs iptables or ip6tables. It waits 5 seconds for the lock.
func runProgram(program string, args ...string) (stdout string, err error) {
	cmd := exec.Command(program, append([]string{"-w", "5"}, args...)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		kind := KindRules
		if strings.Contains(problem.String(), "xtables lock") {
			kind = KindRulesLock
		}
		first, _, _ := strings.Cut(strings.TrimSpace(problem.String()), "\n")
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, first)
		return "", &Error{Kind: kind, Err: err}
	}
	return out.String(), nil
}

// program returns the name of iptables for a family; backend is "", "-legacy" or "-nft".
func (f family) program(backend string) string {
	if f == ipv6 {
		return "ip6tables" + backend
	}
	return "iptables" + backend
}

// lookProgram finds a program, also in root's PATH.
func lookProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(filepath.Join("/usr/sbin", name))
	if err != nil {
		return "", fmt.Errorf("there is no program %s", name)
	}
	return path, nil
}
