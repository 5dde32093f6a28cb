package dns

import (
	"iter"
	"net/netip"
	"sync"
)

// prefixes are the prefixes, at each label, of the addresses with a reverse name. The names above
// those exist (RFC 8020). There is one writer; readers take no lock.
type prefixes struct {
	counts sync.Map // *int by netip.Prefix: the number of addresses, for the writer only
}

// prefixesOf yields the prefixes of an address that are at least one label shorter.
func prefixesOf(addr netip.Addr) iter.Seq[netip.Prefix] {
	bits := 4
	if addr.Is4() {
		bits = 8
	}
	return func(yield func(netip.Prefix) bool) {
		for n := 0; n < addr.BitLen(); n += bits {
			if !yield(netip.PrefixFrom(addr, n).Masked()) {
				return
			}
		}
	}
}

func (p *prefixes) add(addr netip.Addr) {
	for prefix := range prefixesOf(addr) {
		count, _ := p.counts.LoadOrStore(prefix, new(int))
		*count.(*int)++
	}
}

// remove undoes one add.
func (p *prefixes) remove(addr netip.Addr) {
	for prefix := range prefixesOf(addr) {
		if count, ok := p.counts.Load(prefix); ok {
			if *count.(*int)--; *count.(*int) == 0 {
				p.counts.Delete(prefix)
			}
		}
	}
}

// has reports whether there are addresses within a prefix. Any goroutine may call it.
func (p *prefixes) has(prefix netip.Prefix) bool {
	_, ok := p.counts.Load(prefix.Masked())
	return ok
}
