package hostnet

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// backends are those of iptables. A host can have rules in both.
var backends = []string{"legacy", "nft"}

// hasChain reports whether a backend has a chain. It runs no program, which would create the table.
func hasChain(fam family, backend, table, chain string) bool {
	if backend == "legacy" {
		return hasLegacy(fam, table)
	}
	in := nftables.TableFamilyIPv4
	if fam == ipv6 {
		in = nftables.TableFamilyIPv6
	}
	chains, err := (&nftables.Conn{}).ListChainsOfTableFamily(in)
	return err == nil && slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
		return c.Table.Name == table && c.Name == chain
	})
}

// hasLegacy reports whether iptables-legacy has a table.
func hasLegacy(fam family, table string) bool {
	path := "/proc/self/net/ip_tables_names"
	if fam == ipv6 {
		path = "/proc/self/net/ip6_tables_names"
	}
	names, err := os.ReadFile(path)
	return err == nil && slices.Contains(strings.Fields(string(names)), table)
}

// findBackend returns the program for the legacy or the nft backend.
func findBackend(fam family, backend string) (string, error) {
	if path, err := lookProgram(fam.program("-" + backend)); err == nil {
		return path, nil
	}
	mark := map[string]string{"legacy": "legacy", "nft": "nf_tables"}[backend]
	if path, err := lookProgram(fam.program("")); err == nil {
		if version, err := runProgram(path, "-V"); err == nil && strings.Contains(version, mark) {
			return path, nil
		}
	}
	return "", fmt.Errorf("iptables (%s) has rules on this host, and there is no program %s to read them",
		backend, fam.program("-"+backend))
}
