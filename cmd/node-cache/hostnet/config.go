package hostnet

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// Config is the desired state of the node.
type Config struct {
	Interface      string
	Addrs          []netip.Addr
	Port           uint16 // of DNS
	HealthPort     uint16
	SetupInterface bool
	Rules          options.Rules
	Tracked        bool
	Interval       time.Duration // between two checks, if shorter than the default
	Log            *slog.Logger  `json:"-"`
}
