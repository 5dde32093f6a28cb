package hostnet

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// dropping returns the backends of iptables in which the policy of INPUT or OUTPUT is
// DROP, for an address's family. It loads no tables that are not there: programs of the
// other backend would warn of them.
func dropping(addr netip.Addr, run func(string, ...string) (string, error)) []string {
	var found []string
	if hasLegacyFilter(addr) && slices.ContainsFunc([]string{"INPUT", "OUTPUT"}, func(chain string) bool {
		out, err := run(programFor(addr, "legacy"), "-w", lockWait, "-S", chain)
		return err == nil && strings.HasPrefix(out, "-P "+chain+" DROP")
	}) {
		found = append(found, "legacy")
	}
	if dropsInNFTables(addr) {
		found = append(found, "nft")
	}
	return found
}

// hasLegacyFilter reports whether the table filter of the legacy backend is loaded in
// this network namespace.
func hasLegacyFilter(addr netip.Addr) bool {
	file := "/proc/net/ip_tables_names"
	if addr.Is6() {
		file = "/proc/net/ip6_tables_names"
	}
	names, err := os.ReadFile(file) // missing: the kernel has no legacy tables
	return err == nil && slices.Contains(strings.Fields(string(names)), "filter")
}

// dropsInNFTables reports whether a chain of iptables over nftables drops what no one
// accepts.
func dropsInNFTables(addr netip.Addr) bool {
	conn, err := nftables.New()
	if err != nil {
		return false
	}
	family := nftables.TableFamilyIPv4
	if addr.Is6() {
		family = nftables.TableFamilyIPv6
	}
	chains, err := conn.ListChainsOfTableFamily(family)
	return err == nil && slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
		return c.Table.Name == "filter" && (c.Name == "INPUT" || c.Name == "OUTPUT") &&
			c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
	})
}
