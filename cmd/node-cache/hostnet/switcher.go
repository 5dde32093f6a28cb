package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// A backend holds the rules of an agent.
type backend interface {
	// put adds missing rules and renews those with a timeout.
	put() error
	remove() error
	// close removes everything. With leave, it keeps rules that another agent can see and uses.
	close(leave bool) error
}

// A switcher switches between agent and kube-dns.
type switcher struct {
	cfg Config

	mu      sync.Mutex
	backend backend // nil: see err
	err     error
	serving bool
	touched bool // we have added or removed the rules
}

func newSwitcher(cfg Config) *switcher {
	s := &switcher{cfg: cfg}
	s.open()
	return s
}

// open finds a backend that works here.
func (s *switcher) open() {
	if s.cfg.Rules == options.RulesIPTables {
		s.backend, s.err = openIPTables(s.cfg)
	} else {
		s.backend, s.err = openTable(s.cfg)
		if s.err != nil && s.cfg.Rules == options.RulesAuto && !errors.Is(s.err, fs.ErrPermission) {
			s.openFallback(s.err)
		}
	}
	if s.err != nil {
		s.backend = nil
		s.err = &Error{Kind: KindRules, Err: fmt.Errorf("-rules=%s: cannot make packet rules: %w%s", s.cfg.Rules, s.err,
			advice(s.err, "-setupiptables=false"))}
	}
}

func (s *switcher) openFallback(reason error) {
	s.backend, s.err = openIPTables(s.cfg)
	if s.err != nil {
		s.err = fmt.Errorf("%w; and %w", reason, s.err)
		return
	}
	s.cfg.Log.Info("made rules with iptables, because nftables lacks what they need", "reason", reason)
}

func (s *switcher) needsLifetimes() bool {
	_, ok := s.backend.(*iptables)
	return ok
}

func (s *switcher) serve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend == nil {
		s.open()
	}
	if s.backend == nil {
		return s.err
	}
	// Programs are slow: check runs them.
	if _, ok := s.backend.(*iptables); ok && s.serving {
		return nil
	}
	if err := s.backend.put(); err != nil {
		s.serving = false
		s.reopen()
		return err
	}
	s.serving, s.touched = true, true
	return nil
}

// reopen drops a broken table, so that the next call creates a new one.
func (s *switcher) reopen() {
	s.touched = true
	if t, ok := s.backend.(*table); ok {
		t.close(false)
		s.backend = nil
	}
}

// check restores deleted rules.
func (s *switcher) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.backend.(*iptables); ok {
		return b.check()
	}
	return nil
}

func (s *switcher) isServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

func (s *switcher) withdraw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// On startup, rules of a killed agent can exist.
	if s.backend == nil || s.touched && !s.serving {
		return nil
	}
	if err := s.backend.remove(); err != nil {
		return err
	}
	s.serving, s.touched = false, true
	return nil
}

func (s *switcher) close(leave bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend == nil {
		return nil
	}
	err := s.backend.close(leave)
	s.backend, s.serving, s.touched = nil, false, true
	s.err = errors.New("the network is closed")
	return err
}
