package hostnet

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// lifetime is that of addresses that disable rules when they expire.
	lifetime = 15 * time.Second
	// keepPeriod is the time between two checks of the link and its addresses.
	keepPeriod = 5 * time.Second
	// alias marks links that we made.
	alias = "kube-dns node-cache"
)

// errNoKind means that the kernel has none of our link types.
var errNoKind = errors.New("this kernel has no link of type dummy, bridge or veth")

// A link holds the addresses. A link of that name that we did not make only gets them, if it is not
// in use.
type link struct {
	name     string
	addrs    []netip.Addr
	lifetime time.Duration // 0: no limit
	log      *slog.Logger
}

// ensure adds missing parts, and returns them.
func (l *link) ensure() (changed []string, err error) {
	found, made, err := l.findOrMake()
	if err != nil {
		err = fmt.Errorf("-interfacename=%s: cannot make the link: %w%s", l.name, err,
			advice(err, "-setupinterface=false"))
		return nil, &Error{Kind: KindInterfaceAdd, Err: err}
	}
	if err := l.check(found); !made && err != nil {
		return nil, err
	}
	if made {
		changed = append(changed, l.name)
	}
	defer func() {
		if len(changed) > 0 {
			l.log.Info("Added interface - "+found.Attrs().Name, //nolint:sloglint // text of the original
				"type", found.Type(), "added", changed)
		}
	}()
	if ours(found) && found.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(found); err != nil {
			err = fmt.Errorf("-interfacename=%s: cannot set the link up: %w", l.name, err)
			return changed, &Error{Kind: KindInterfaceAdd, Err: err}
		}
	}
	added, err := l.ensureAddrs(found)
	return append(changed, added...), err
}

func (l *link) ensureAddrs(on netlink.Link) (added []string, err error) {
	present, err := listAddrs(on)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, addr := range l.addrs {
		old, ok := present[addr]
		if ok && l.lasts(old) {
			continue
		}
		if err := netlink.AddrReplace(on, l.newAddr(addr)); err != nil {
			errs = append(errs, &Error{Kind: KindInterfaceAdd,
				Err: fmt.Errorf("-localip: cannot add %s to the link %s: %w%s",
					addr, on.Attrs().Name, err, advice(err, "-setupinterface=false"))})
			continue
		}
		if !ok {
			added = append(added, addr.String())
		}
	}
	return added, errors.Join(errs...)
}

// lasts reports whether the address needs no renewal.
func (l *link) lasts(addr netlink.Addr) bool {
	if !isOwn(addr) || addr.Flags&unix.IFA_F_PERMANENT != 0 {
		return !isOwn(addr) || l.lifetime == 0
	}
	return l.lifetime > 0 && time.Duration(addr.ValidLft)*time.Second > l.lifetime-keepPeriod
}

func (l *link) newAddr(addr netip.Addr) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD // usable at once
	}
	if l.lifetime > 0 {
		a.ValidLft, a.PreferedLft = int(l.lifetime/time.Second), int(l.lifetime/time.Second)
	}
	return a
}

// remove deletes the link if it is ours, otherwise only our addresses.
func (l *link) remove() error {
	found, err := netlink.LinkByName(l.name)
	if isNotFound(err) {
		found, err = netlink.LinkByName("lo")
	}
	if err != nil {
		return &Error{Kind: KindInterfaceCheck, Err: fmt.Errorf("look for the link %s: %w", l.name, err)}
	}
	if l.check(found) != nil {
		return nil // not ours, and without our addresses
	}
	if ours(found) {
		if err := netlink.LinkDel(found); err != nil {
			return &Error{Kind: KindInterfaceCheck, Err: fmt.Errorf("delete the link %s: %w", l.name, err)}
		}
		return nil
	}
	present, err := listAddrs(found)
	if err != nil {
		return err
	}
	var errs []error
	for _, addr := range l.addrs {
		if old, ok := present[addr]; ok && isOwn(old) {
			if err := netlink.AddrDel(found, &old); err != nil {
				errs = append(errs, &Error{Kind: KindInterfaceCheck, Err: fmt.Errorf("delete %s from the link %s: %w",
					addr, found.Attrs().Name, err)})
			}
		}
	}
	return errors.Join(errs...)
}

// hasCalico reports whether pods have Calico links.
func hasCalico() bool {
	links, err := netlink.LinkList()
	return err == nil && slices.ContainsFunc(links, func(l netlink.Link) bool {
		return strings.HasPrefix(l.Attrs().Name, "cali")
	})
}

// isOwn reports whether an address has our prefix length.
func isOwn(addr netlink.Addr) bool {
	ones, bits := addr.Mask.Size()
	return ones == bits
}

func listAddrs(on netlink.Link) (map[netip.Addr]netlink.Addr, error) {
	list, err := netlink.AddrList(on, netlink.FAMILY_ALL)
	if err != nil {
		err = fmt.Errorf("list the addresses of the link %s: %w", on.Attrs().Name, err)
		return nil, &Error{Kind: KindInterfaceCheck, Err: err}
	}
	present := make(map[netip.Addr]netlink.Addr)
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			present[addr.Unmap()] = a
		}
	}
	return present, nil
}

// findOrMake returns the link of our name. Without it, it adds a link of the first type that the
// kernel has, or returns the loopback link.
func (l *link) findOrMake() (found netlink.Link, made bool, err error) {
	found, err = netlink.LinkByName(l.name)
	if !isNotFound(err) {
		return found, false, err
	}
	err = l.make()
	if errors.Is(err, errNoKind) {
		found, err = netlink.LinkByName("lo")
		return found, false, err
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, false, err
	}
	found, err = netlink.LinkByName(l.name)
	return found, true, err
}

func (l *link) make() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = l.name
	attrs.Alias = alias
	return l.makeFirst(
		&netlink.Dummy{LinkAttrs: attrs}, &netlink.Bridge{LinkAttrs: attrs},
		&netlink.Veth{LinkAttrs: attrs, PeerName: peer(l.name)},
	)
}

// makeFirst adds a link of the first type that the kernel has.
func (l *link) makeFirst(kinds ...netlink.Link) error {
	for _, kind := range kinds {
		err := netlink.LinkAdd(kind)
		if errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return fmt.Errorf("type %s: %w", kind.Type(), err)
		}
		return l.finish(kind)
	}
	return errNoKind
}

// finish marks a new link as ours. A link that cannot be marked is deleted.
func (l *link) finish(made netlink.Link) error {
	if err := netlink.LinkSetAlias(made, alias); err != nil {
		return errors.Join(err, netlink.LinkDel(made))
	}
	const none = 1 // IN6_ADDR_GEN_MODE_NONE
	if err := netlink.LinkSetIP6AddrGenMode(made, none); err != nil {
		l.log.Info("the link has an IPv6 address of its own", "link", l.name, "reason", err)
	}
	if veth, ok := made.(*netlink.Veth); ok {
		other, err := netlink.LinkByName(veth.PeerName)
		if err == nil {
			err = netlink.LinkSetUp(other)
		}
		return err
	}
	return nil
}

// peer returns the name of the other end of a veth.
func peer(name string) string { return name[:min(len(name), unix.IFNAMSIZ-2)] + "-" }

// ours reports whether we made a link. Other agents only make dummy links.
func ours(l netlink.Link) bool { return l.Attrs().Alias == alias || l.Type() == "dummy" }

func isNotFound(err error) bool {
	_, ok := errors.AsType[netlink.LinkNotFoundError](err)
	return ok
}
