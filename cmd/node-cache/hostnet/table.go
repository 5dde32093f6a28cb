package hostnet

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/google/nftables"
	mdnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// elementTimeout is how long the rules match without renewal.
const elementTimeout = 5 * time.Second

// natPriority is before the chains of kube-proxy: the first NAT of a flow wins.
const natPriority = -110

// tableFlagOwner is NFT_TABLE_F_OWNER of Linux 5.12.
const tableFlagOwner = 2

// A table is our own table in nftables. The kernel deletes it when its socket is closed.
type table struct {
	conn *nftables.Conn
	sets map[*nftables.Set][]nftables.SetElement // the served addresses
}

// openTable creates a table with rules that match no query except those of the agent to itself.
func openTable(cfg Config) (*table, error) {
	var socket *mdnetlink.Conn
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *mdnetlink.Conn) error {
		socket = c
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open a socket for nftables: %w", err)
	}
	t := &table{conn: conn, sets: make(map[*nftables.Set][]nftables.SetElement)}
	name := tableName()
	if err := createOwned(socket, name); err != nil {
		err = fmt.Errorf("make the nftables table inet %s with the owner flag: %w", name, err)
		return nil, errors.Join(err, conn.CloseLasting())
	}
	if err := t.fill(&nftables.Table{Name: name, Family: nftables.TableFamilyINet}, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("fill the nftables table inet %s: %w", name, err), conn.CloseLasting())
	}
	return t, nil
}

// tableName is unique, even among agents that are process 1 of their container.
func tableName() string {
	var suffix [4]byte
	rand.Read(suffix[:]) // never fails
	return fmt.Sprintf("node-cache-%d-%s", os.Getpid(), hex.EncodeToString(suffix[:]))
}

// createOwned creates a table that belongs to the socket. The library sends no table flags.
func createOwned(socket *mdnetlink.Conn, name string) error {
	const nfnlBatchBegin, nfnlBatchEnd = 0x10, 0x11
	attrs, err := mdnetlink.MarshalAttributes([]mdnetlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: []byte{0, 0, 0, tableFlagOwner}},
	})
	if err != nil {
		return err
	}
	batch := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	_, err = socket.SendMessages([]mdnetlink.Message{
		{Header: mdnetlink.Header{Type: nfnlBatchBegin, Flags: mdnetlink.Request}, Data: batch},
		{
			Header: mdnetlink.Header{
				Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE,
				Flags: mdnetlink.Request | mdnetlink.Acknowledge | mdnetlink.Create | mdnetlink.Excl,
			},
			Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
		},
		{Header: mdnetlink.Header{Type: nfnlBatchEnd, Flags: mdnetlink.Request}, Data: batch},
	})
	if err != nil {
		return err
	}
	_, err = socket.Receive()
	return err
}

// fill adds sets, chains and rules in one transaction.
func (t *table) fill(in *nftables.Table, cfg Config) error {
	f := filler{conn: t.conn, in: in, chains: make(map[string]*nftables.Chain)}
	for fam, addrs := range families(cfg.Addrs) {
		own, err := f.set("own-"+string(fam), fam, elements(addrs, 0))
		if err != nil {
			return err
		}
		f.add(fam, own, selfRules(cfg))
		serving, err := f.set("serving-"+string(fam), fam, nil)
		if err != nil {
			return err
		}
		f.add(fam, serving, switchRules(cfg))
		t.sets[serving] = elements(addrs, elementTimeout)
	}
	return t.conn.Flush()
}

// A filler queues the contents of a new table.
type filler struct {
	conn   *nftables.Conn
	in     *nftables.Table
	chains map[string]*nftables.Chain
}

// set adds a set of addresses. A set without elements has a timeout.
func (f filler) set(name string, fam family, list []nftables.SetElement) (*nftables.Set, error) {
	set := &nftables.Set{Table: f.in, Name: name, KeyType: nftables.TypeIPAddr}
	if fam == ipv6 {
		set.KeyType = nftables.TypeIP6Addr
	}
	if len(list) == 0 {
		set.HasTimeout, set.Timeout = true, elementTimeout
	}
	return set, f.conn.AddSet(set, list)
}

func (f filler) add(fam family, addrs *nftables.Set, rules []rule) {
	for _, r := range rules {
		key := r.table() + r.chain
		if f.chains[key] == nil {
			f.chains[key] = f.conn.AddChain(chainOf(f.in, r))
		}
		f.conn.AddRule(r.nft(f.in, f.chains[key], fam, addrs))
	}
}

func chainOf(in *nftables.Table, r rule) *nftables.Chain {
	c := &nftables.Chain{Table: in, Type: nftables.ChainTypeFilter, Priority: nftables.ChainPriorityRaw}
	c.Name, c.Hooknum = "output", nftables.ChainHookOutput
	if r.chain == "PREROUTING" {
		c.Name, c.Hooknum = "prerouting", nftables.ChainHookPrerouting
	}
	if r.target == keepAddress {
		c.Name, c.Type, c.Priority = "nat-prerouting", nftables.ChainTypeNAT, nftables.ChainPriorityRef(natPriority)
	}
	return c
}

func elements(addrs []netip.Addr, timeout time.Duration) []nftables.SetElement {
	list := make([]nftables.SetElement, len(addrs))
	for i, addr := range addrs {
		list[i] = nftables.SetElement{Key: addr.AsSlice(), Timeout: timeout}
	}
	return list
}

// put renews the timeouts of the addresses, in one transaction. A delete must find its element, so
// an add precedes it. The second add sets the new timeout.
func (t *table) put() error {
	for set, list := range t.sets {
		for _, queue := range []func(*nftables.Set, []nftables.SetElement) error{
			t.conn.SetAddElements, t.conn.SetDeleteElements, t.conn.SetAddElements,
		} {
			if err := queue(set, list); err != nil {
				return &Error{Kind: KindRules, Err: err}
			}
		}
	}
	return t.flush("renew the addresses in")
}

func (t *table) remove() error {
	for set := range t.sets {
		t.conn.FlushSet(set)
	}
	return t.flush("remove the addresses from")
}

func (t *table) flush(what string) error {
	if err := t.conn.Flush(); err != nil {
		return &Error{Kind: KindRules, Err: fmt.Errorf("%s our nftables table: %w", what, err)}
	}
	return nil
}

func (t *table) close(bool) error { return t.conn.CloseLasting() }
