package hostnet

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Network is the link, its addresses and the rules. It belongs to one goroutine.
type Network struct {
	conf  Config
	log   *slog.Logger
	link  *link
	table *table  // nil: rules are iptables, or none
	track *tables // nil: rules are in the table, or none
	allow *tables // accepts next to a policy that drops; nil: not looked for yet
	run   func(string, ...string) (string, error)

	checked time.Time // when rules of iptables were last looked at; zero: not in place
}

// checkInterval is how often rules of iptables are looked at. Each look runs programs.
const checkInterval = 10 * time.Second

// fallbackLifetime is how long addresses last without being renewed, in seconds, where
// rules cannot end with the process.
const fallbackLifetime = 15

// New finds out how rules can be made. It changes nothing that others see.
func New(conf Config) (*Network, error) {
	n := &Network{
		conf: conf, log: cmp.Or(conf.Log, slog.New(slog.DiscardHandler)), run: run,
		link: &link{name: conf.Interface, addrs: conf.Addrs},
	}
	var err error
	switch conf.Rules {
	case None:
		return n, nil
	case IPTables:
	case Auto, NFTables, "":
		if n.table, err = openTable(conf); err == nil {
			return n, nil
		}
		if conf.Rules == NFTables {
			return nil, fail(KindIPTables, "--rules=nft: %w", err)
		}
		n.log.Info("rules are made with iptables: the kernel cannot do it with nftables", "err", err)
	default:
		return nil, fmt.Errorf("--rules=%s: want auto, nft, iptables or none", conf.Rules)
	}
	n.track = &tables{rules: trackRules(conf), run: n.run}
	if conf.SetupInterface {
		n.link.lifetime = fallbackLifetime
	}
	if conf.Tracked {
		n.log.Warn("--tracked has no effect: it takes nftables")
	}
	return n, nil
}

// EnsureAddresses makes the link and the addresses that are missing, and returns them.
// Where rules cannot end with the process it also renews the addresses, which then do.
func (n *Network) EnsureAddresses() (changed []string, err error) {
	if !n.conf.SetupInterface {
		return nil, nil
	}
	return n.link.ensure()
}

// Serve puts the rules in place. They hold for some seconds: call it each second.
func (n *Network) Serve() error {
	if n.conf.Rules == None {
		return nil
	}
	if n.table != nil {
		if err := n.table.hold(); err != nil {
			return fail(KindIPTables, "nftables: %w", err)
		}
	}
	if time.Since(n.checked) < checkInterval {
		return nil
	}
	n.findPolicies()
	for _, t := range []*tables{n.allow, n.track} {
		if t == nil {
			continue
		}
		added, err := t.ensure()
		for _, r := range added {
			n.log.Info("Added back nodelocaldns rule - " + r)
		}
		if err != nil {
			return err
		}
	}
	n.checked = time.Now()
	return nil
}

// findPolicies finds firewalls that drop what no one accepts. Rules of ours that accept
// DNS are then among theirs: in our table they would have no say.
func (n *Network) findPolicies() {
	allow := &tables{run: n.run}
	for _, addr := range n.conf.Addrs {
		for _, backend := range dropping(addr, n.run) {
			allow.rules = append(allow.rules, allowRules(n.conf, addr, backend)...)
		}
	}
	if n.allow == nil || len(allow.rules) > len(n.allow.rules) {
		n.allow = allow
	}
}

// Withdraw takes the rules away: pods reach kube-dns again.
func (n *Network) Withdraw() error {
	n.checked = time.Time{}
	switch {
	case n.table != nil:
		if err := n.table.release(); err != nil {
			return fail(KindIPTables, "nftables: %w", err)
		}
	case n.track != nil:
		return n.track.remove()
	}
	return nil
}

// Close removes the rules, then link and addresses unless leaveLink.
func (n *Network) Close(leaveLink bool) error {
	var trouble error
	if n.table != nil {
		trouble = n.table.close()
	}
	if n.track != nil && !leaveLink {
		trouble = n.track.remove()
	}
	if n.allow != nil && !leaveLink {
		trouble = errors.Join(trouble, n.allow.remove())
	}
	if n.conf.SetupInterface && !leaveLink {
		trouble = errors.Join(trouble, n.link.remove())
	}
	return trouble
}
