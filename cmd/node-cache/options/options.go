package options

import (
	"net/netip"
	"strings"
	"time"
)

// Options are a checked command line. They are not modified after Flags.Check.
type Options struct {
	Net    Net
	Listen Listen
	Config Config

	Handover bool          // take over from a running agent
	Lameduck time.Duration // between SIGTERM and the exit
	PIDFile  string        // "": none
	Quiet    bool
}

// Addrs returns the addresses of DNS.
func (o Options) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(o.Net.LocalIPs))
	for i, addr := range o.Net.LocalIPs {
		addrs[i] = netip.AddrPortFrom(addr, o.Listen.DNSPort)
	}
	return addrs
}

// Net configures the network of the node.
type Net struct {
	LocalIPs       []netip.Addr // at least one, without duplicates
	Interface      string       // name of the link
	SetupInterface bool
	Rules          Rules
	Tracked        bool
	SkipTeardown   bool
	SyncInterval   time.Duration // between two checks of link and rules
}

// Listen are ports and addresses.
type Listen struct {
	DNSPort    uint16
	HealthPort uint16 // only for the rules
	Metrics    string // "": no second listener
	Prometheus string // for the placeholder in the base Corefile
	Health     string // "": only the health of the Corefile
}

// Config is the source of the configuration.
type Config struct {
	Base             string   // template of the Corefile
	Corefile         string   // written and loaded
	KubeDNSDir       string   // "": /etc/kube-dns if it exists
	UpstreamServices []string // one per IP family, or one Service
	ReloadWithSignal bool
	ForceTCP         bool // keep force_tcp towards the cluster upstream
}

// UpstreamVariable returns the environment variable with the address of a Service that is the
// cluster upstream.
func UpstreamVariable(service string) string {
	return strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_SERVICE_HOST"
}

// Rules is a way to add packet rules.
type Rules string

// Ways to add packet rules.
const (
	RulesAuto     Rules = "auto" // nftables if the kernel has it
	RulesNFT      Rules = "nft"
	RulesIPTables Rules = "iptables"
	RulesNone     Rules = "none"
)
