package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Format returns cfg in the form that Parse reads: Parse(Format(cfg)) equals a cfg that
// Parse returned. Settings at their default have no key. Equal configurations have the
// same text.
func Format(cfg Config) map[string]string {
	files := make(map[string]string)
	if len(cfg.Federations) > 0 {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(cfg.Federations)) {
			parts = append(parts, name+"="+cfg.Federations[name])
		}
		files[keyFederations] = strings.Join(parts, ",")
	}
	if len(cfg.StubDomains) > 0 {
		stubs := make(map[string][]string)
		for _, stub := range cfg.StubDomains {
			servers := make([]string, 0, len(stub.Servers)) // never JSON null
			for _, server := range stub.Servers {
				servers = append(servers, server.String())
			}
			stubs[stub.Domain] = servers
		}
		files[keyStubDomains] = marshal(stubs)
	}
	if len(cfg.Upstreams) > 0 {
		var servers []string
		for _, ns := range cfg.Upstreams {
			servers = append(servers, ns.String())
		}
		files[keyUpstreams] = marshal(servers)
	}
	return files
}

// Equal reports whether a and b have the same settings. The order of servers matters.
func Equal(a, b Config) bool { return maps.Equal(Format(a), Format(b)) }

// marshal encodes strings, slices and maps, for which JSON never fails.
func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
