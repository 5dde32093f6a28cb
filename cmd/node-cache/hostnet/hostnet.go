package hostnet

import (
	"errors"
	"sync"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// A Network adds and removes link, addresses and rules. Its methods are safe for concurrent use.
type Network struct {
	cfg     Config
	link    *link     // nil: not managed by us
	rules   *switcher // nil: none
	mu      sync.Mutex
	accepts *accepts // guarded by mu; can be nil
}

// New returns the network of this node. It changes nothing that affects packets.
func New(cfg Config) *Network {
	n := &Network{cfg: cfg}
	if cfg.Rules != options.RulesNone {
		n.rules = newSwitcher(cfg)
		n.accepts = &accepts{cfg: cfg}
		if !cfg.Tracked && hasCalico() {
			cfg.Log.Info("Calico policies that deny ingress drop replies to pods without -tracked=true")
		}
	}
	if cfg.SetupInterface {
		n.link = &link{name: cfg.Interface, addrs: cfg.Addrs, log: cfg.Log}
		if n.rules != nil && n.rules.needsLifetimes() {
			n.link.lifetime = lifetime
		}
	}
	return n
}

// EnsureAddresses adds the link and the addresses if missing, and returns the changes.
func (n *Network) EnsureAddresses() (changed []string, err error) {
	if n.link == nil {
		return nil, nil
	}
	return n.link.ensure()
}

// Serve adds or renews the rules, which last for 5 seconds.
func (n *Network) Serve() error {
	if n.rules == nil {
		return nil
	}
	return n.rules.serve()
}

// Withdraw removes the rules, if any.
func (n *Network) Withdraw() error {
	if n.rules == nil {
		return nil
	}
	return n.rules.withdraw()
}

// Leave selects the parts that Close keeps for another agent.
type Leave struct {
	Link  bool // link and addresses
	Rules bool // the rules in iptables
}

// Close removes everything that New and the other methods added, except the parts that another
// agent uses.
func (n *Network) Close(leave Leave) error {
	var errs []error
	if n.rules != nil {
		errs = append(errs, n.rules.close(leave.Rules), n.removeAccepts(leave.Rules))
	}
	if n.link != nil && !leave.Link {
		errs = append(errs, n.link.remove())
	}
	return errors.Join(errs...)
}

func (n *Network) removeAccepts(leave bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.accepts
	n.accepts = nil
	if a == nil || leave {
		return nil
	}
	return a.remove()
}

// checkRules restores rules that programs add.
func (n *Network) checkRules() error {
	if n.rules == nil {
		return nil
	}
	err := n.rules.check()
	if n.rules.isServing() {
		err = errors.Join(err, (&stale{cfg: n.cfg}).remove())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.accepts == nil {
		return err
	}
	return errors.Join(err, n.accepts.ensure())
}
