package hostnet

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// A Mode is how rules are made.
type Mode string

// The modes. Auto is nftables where the kernel can do it, else iptables.
const (
	Auto     Mode = "auto"
	NFTables Mode = "nft"
	IPTables Mode = "iptables"
	None     Mode = "none"
)

// A Config is what the network is to be.
type Config struct {
	// Interface is the link's name.
	Interface string
	// Addrs are the local addresses, of both families.
	Addrs []netip.Addr
	// Port is the one of DNS; HealthPort is that of /health on these addresses.
	Port, HealthPort uint16
	// SetupInterface: the link and its addresses are made, and removed at the end.
	SetupInterface bool
	// Rules is how rules are made.
	Rules Mode
	// Tracked: connections of pods are tracked, for firewalls that need it.
	Tracked bool
	// Log receives what is added back; nil discards.
	Log *slog.Logger
}

// A Kind is what could not be set up. It is a label of a metric.
type Kind string

// The kinds of errors.
const (
	KindIPTables       Kind = "iptables"
	KindIPTablesLock   Kind = "iptables_lock"
	KindInterfaceAdd   Kind = "interface_add"
	KindInterfaceCheck Kind = "interface_check"
)

// An Error is trouble with the network.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error of this package, or "".
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

func fail(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// holdTime is how long rules hold without being renewed.
const holdTime = 5 * time.Second

// comment is the beginning of each rule's comment. Programs of others find rules by it.
const (
	commentTrack = "NodeLocal DNS Cache: skip conntrack"
	commentAllow = "NodeLocal DNS Cache: allow DNS traffic"
)
