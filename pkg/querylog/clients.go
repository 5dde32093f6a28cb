package querylog

import (
	"fmt"
	"net/netip"
)

// Clients is the part of client addresses that is kept.
type Clients string

// The values of Clients. Prefix keeps 24 bits of an IPv4 address and 56 of an IPv6 address.
const (
	FullClients   Clients = "full"
	PrefixClients Clients = "prefix"
	NoClients     Clients = "none"
)

// ParseClients accepts the values of Clients.
func ParseClients(text string) (Clients, error) {
	switch c := Clients(text); c {
	case FullClients, PrefixClients, NoClients:
		return c, nil
	}
	return "", fmt.Errorf("want %s, %s or %s", FullClients, PrefixClients, NoClients)
}

// keep returns the kept part of an address.
func (c Clients) keep(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	switch c {
	case NoClients:
		return netip.Addr{}
	case PrefixClients:
		bits := 24
		if addr.Is6() {
			bits = 56
		}
		prefix, err := addr.Prefix(bits)
		if err != nil { // the zero Addr
			return netip.Addr{}
		}
		return prefix.Addr()
	}
	return addr
}
