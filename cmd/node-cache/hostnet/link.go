package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A link is the interface with the local addresses.
type link struct {
	name  string
	addrs []netip.Addr
	// lifetime of addresses in seconds; 0: for ever.
	lifetime int
	loopback bool // no link could be made: the addresses are on lo
}

// alias marks a link as one of ours.
const alias = "node-cache"

// ensure makes what is missing, and returns it.
func (l *link) ensure() (changed []string, err error) {
	dev, made, err := l.device()
	if err != nil {
		return nil, err
	}
	if made {
		changed = append(changed, dev.Attrs().Name)
	}
	if dev.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(dev); err != nil {
			return changed, fail(KindInterfaceAdd, "set interface %s up: %w", l.name, err)
		}
	}
	have, err := netlink.AddrList(dev, netlink.FAMILY_ALL)
	if err != nil {
		return changed, fail(KindInterfaceCheck, "list the addresses of interface %s: %w", l.name, err)
	}
	for _, addr := range l.addrs {
		there := slices.ContainsFunc(have, func(a netlink.Addr) bool { return sameAddr(a, addr) })
		if there && l.lifetime == 0 {
			continue
		}
		if err := netlink.AddrReplace(dev, l.address(addr)); err != nil {
			return changed, fail(KindInterfaceAdd, "add address %s to interface %s: %w", addr, l.name, err)
		}
		if !there {
			changed = append(changed, addr.String())
		}
	}
	return changed, nil
}

func sameAddr(a netlink.Addr, addr netip.Addr) bool {
	have, ok := netip.AddrFromSlice(a.IP)
	return ok && have.Unmap() == addr
}

// address is addr alone, without a subnet. Duplicate address detection is off: no one
// else is on the link, and until it ends nothing can listen at the address.
func (l *link) address(addr netip.Addr) *netlink.Addr {
	bits := addr.BitLen()
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, bits)}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if l.lifetime > 0 {
		a.ValidLft, a.PreferedLft = l.lifetime, l.lifetime
	}
	return a
}

// device returns the link, and makes it when it is missing.
func (l *link) device() (dev netlink.Link, made bool, err error) {
	if !l.loopback {
		dev, err = netlink.LinkByName(l.name)
		if err == nil {
			return dev, false, nil
		}
		if _, missing := errors.AsType[netlink.LinkNotFoundError](err); !missing {
			return nil, false, fail(KindInterfaceCheck, "look for interface %s: %w", l.name, err)
		}
		dev, err = l.make()
		if err == nil {
			return dev, true, nil
		}
		if !errors.Is(err, syscall.EOPNOTSUPP) {
			return nil, false, fail(KindInterfaceAdd, "make interface %s: %w", l.name, err)
		}
		l.loopback = true
	}
	if dev, err = netlink.LinkByName("lo"); err != nil {
		return nil, false, fail(KindInterfaceCheck, "look for interface lo: %w", err)
	}
	return dev, false, nil
}

// make makes a link of the first type that the kernel has.
func (l *link) make() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = l.name
	var err error
	for _, dev := range []netlink.Link{&netlink.Dummy{LinkAttrs: attrs}, &netlink.Bridge{LinkAttrs: attrs}} {
		if err = netlink.LinkAdd(dev); errors.Is(err, syscall.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := netlink.LinkSetAlias(dev, alias); err != nil {
			return nil, fmt.Errorf("mark it: %w", err)
		}
		return netlink.LinkByName(l.name)
	}
	return nil, err
}

// remove removes the link if it is one of ours, else only our addresses.
func (l *link) remove() error {
	name := l.name
	if l.loopback {
		name = "lo"
	}
	dev, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil
	}
	if err != nil {
		return fail(KindInterfaceCheck, "look for interface %s: %w", name, err)
	}
	// A dummy is the link of a version that did not mark it.
	if !l.loopback && (dev.Attrs().Alias == alias || dev.Type() == "dummy") {
		if err := netlink.LinkDel(dev); err != nil {
			return fail(KindInterfaceCheck, "remove interface %s: %w", name, err)
		}
		return nil
	}
	for _, addr := range l.addrs {
		err := netlink.AddrDel(dev, l.address(addr))
		if err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return fail(KindInterfaceCheck, "remove address %s from interface %s: %w", addr, name, err)
		}
	}
	return nil
}
