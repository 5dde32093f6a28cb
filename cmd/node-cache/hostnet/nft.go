package hostnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A table is our nftables table. It belongs to the netlink socket that made it: when that
// is closed, as at the end of the process whatever ends it, the kernel removes the table.
// No one else can change or flush it.
type table struct {
	conf  Config
	conn  *nftables.Conn
	raw   *netlink.Conn // the socket of conn
	table *nftables.Table
	sets  map[uint8]*nftables.Set // by family; without elements no rule matches
}

// ownerFlag is NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h, since Linux 5.12.
const ownerFlag = 0x2

// openTable makes a table without effect. It fails where the kernel has no nf_tables or
// does not know owners.
func openTable(conf Config) (*table, error) {
	t := &table{
		conf:  conf,
		table: &nftables.Table{Name: fmt.Sprintf("node-cache-%d", os.Getpid()), Family: nftables.TableFamilyINet},
		sets:  map[uint8]*nftables.Set{},
	}
	var err error
	t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(raw *netlink.Conn) error {
		t.raw = raw
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	if err := t.create(); err != nil {
		_ = t.conn.CloseLasting()
		return nil, err
	}
	return t, nil
}

func (t *table) create() error {
	if err := t.own(); err != nil {
		return fmt.Errorf("make a table with an owner: %w", err)
	}
	for _, family := range t.families() {
		set := &nftables.Set{Table: t.table, Name: "addresses4", KeyType: nftables.TypeIPAddr, HasTimeout: true, Timeout: holdTime}
		if family == unix.NFPROTO_IPV6 {
			set.Name, set.KeyType = "addresses6", nftables.TypeIP6Addr
		}
		if err := t.conn.AddSet(set, nil); err != nil {
			return err
		}
		t.sets[family] = set
	}
	t.addRules()
	if err := t.conn.Flush(); err != nil {
		return fmt.Errorf("make the rules: %w", err)
	}
	return nil
}

// own sends the message that makes the table. The library does not send its flags.
func (t *table) own() error {
	flags := make([]byte, 4)
	binary.BigEndian.PutUint32(flags, ownerFlag)
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(t.table.Name), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: flags},
	})
	if err != nil {
		return err
	}
	batch := func(kind uint16) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
		}
	}
	create := netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE),
			Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl,
		},
		Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attributes...),
	}
	if _, err := t.raw.SendMessages([]netlink.Message{
		batch(unix.NFNL_MSG_BATCH_BEGIN), create, batch(unix.NFNL_MSG_BATCH_END),
	}); err != nil {
		return err
	}
	_, err = t.raw.Receive() // the acknowledgement
	return err
}

// families are those of the addresses.
func (t *table) families() []uint8 {
	var four, six bool
	for _, addr := range t.conf.Addrs {
		four, six = four || addr.Is4(), six || addr.Is6()
	}
	var list []uint8
	if four {
		list = append(list, unix.NFPROTO_IPV4)
	}
	if six {
		list = append(list, unix.NFPROTO_IPV6)
	}
	return list
}

// addRules adds the chains and their rules for both protocols and each family.
func (t *table) addRules() {
	raw := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return t.conn.AddChain(&nftables.Chain{
			Name: name, Table: t.table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityRaw,
		})
	}
	prerouting, output := raw("prerouting", nftables.ChainHookPrerouting), raw("output", nftables.ChainHookOutput)
	var nat *nftables.Chain
	if t.conf.Tracked {
		before := nftables.ChainPriorityRef(*nftables.ChainPriorityNATDest - 1)
		nat = t.conn.AddChain(&nftables.Chain{
			Name: "nat", Table: t.table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: before,
		})
	}
	for _, family := range t.families() {
		for _, protocol := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			to, from := t.match(family, protocol, toPort, t.conf.Port), t.match(family, protocol, fromPort, t.conf.Port)
			if nat == nil {
				t.rule(prerouting, to, &expr.Notrack{})
				t.rule(output, from, &expr.Notrack{})
			} else {
				t.rule(nat, to, toItself(family)...)
				t.rule(output, append(onLoopback(), from...), &expr.Notrack{})
			}
			t.rule(output, to, &expr.Notrack{})
		}
		for _, way := range []way{toPort, fromPort} {
			t.rule(output, t.match(family, unix.IPPROTO_TCP, way, t.conf.HealthPort), &expr.Notrack{})
		}
	}
}

func (t *table) rule(chain *nftables.Chain, match []expr.Any, verdict ...expr.Any) {
	t.conn.AddRule(&nftables.Rule{
		Table: t.table, Chain: chain, Exprs: append(append([]expr.Any{}, match...), verdict...),
		UserData: userdata.AppendString(nil, userdata.TypeComment, commentTrack),
	})
}

// A way is a direction of packets.
type way int

const (
	toPort   way = iota // to our addresses
	fromPort            // from them
)

// match matches packets of a family and protocol to or from our addresses and a port.
func (t *table) match(family uint8, protocol byte, w way, port uint16) []expr.Any {
	// Offsets of RFC 791 section 3.1, RFC 8200 section 3, RFC 768 and RFC 9293.
	address := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	if family == unix.NFPROTO_IPV6 {
		address.Offset, address.Len = 24, 16
	}
	ports := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
	if w == fromPort {
		address.Offset -= address.Len
		ports.Offset = 0
	}
	equal := func(data ...byte) *expr.Cmp { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal(family),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(protocol),
		address, &expr.Lookup{SourceRegister: 1, SetName: t.sets[family].Name, SetID: t.sets[family].ID},
		ports, equal(binaryutil.BigEndian.PutUint16(port)...),
	}
}

// onLoopback matches packets between processes of this node.
func onLoopback() []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
}

// toItself translates the destination to what it is: the first translation of a
// connection decides, so kube-proxy leaves it alone.
func toItself(family uint8) []expr.Any {
	address := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	if family == unix.NFPROTO_IPV6 {
		address.Offset, address.Len = 24, 16
	}
	return []expr.Any{address, &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(family), RegAddrMin: 1}}
}

// hold makes the rules match our addresses for holdTime from now on.
func (t *table) hold() error {
	if err := t.each(func(set *nftables.Set, elements []nftables.SetElement) error {
		// Adding an element that is there does not renew it. A missing one cannot be
		// deleted, but it can be added first: all of this is one transaction.
		if err := t.conn.SetAddElements(set, elements); err != nil {
			return err
		}
		if err := t.conn.SetDeleteElements(set, elements); err != nil {
			return err
		}
		return t.conn.SetAddElements(set, elements)
	}); err != nil {
		return err
	}
	return t.conn.Flush()
}

// release makes the rules match nothing.
func (t *table) release() error {
	for _, set := range t.sets {
		t.conn.FlushSet(set)
	}
	return t.conn.Flush()
}

func (t *table) each(do func(*nftables.Set, []nftables.SetElement) error) error {
	elements := map[uint8][]nftables.SetElement{}
	for _, addr := range t.conf.Addrs {
		family := familyOf(addr)
		elements[family] = append(elements[family], nftables.SetElement{Key: addr.AsSlice(), Timeout: holdTime})
	}
	for family, list := range elements {
		if err := do(t.sets[family], list); err != nil {
			return err
		}
	}
	return nil
}

func familyOf(addr netip.Addr) uint8 {
	if addr.Is4() {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

// close removes the table, as the kernel does when the socket is closed.
func (t *table) close() error { return t.conn.CloseLasting() }
