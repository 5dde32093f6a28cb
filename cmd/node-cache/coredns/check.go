package coredns

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/coredns/caddy"

	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
)

// Check returns the reasons why CoreDNS would refuse a Corefile or a template. Each names the file,
// the line, and the plugin, zone or placeholder. It opens nothing.
func Check(path, text string) []string {
	if _, err := prepare(); err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, problem := range append(corefile.Placeholders(text), corefile.Check(text, Directives(), 53)...) {
		found = append(found, fmt.Sprintf("%s: %s", path, problem))
	}
	if len(found) > 0 {
		return found
	}
	// Example values: line numbers do not change.
	rendered, _ := corefile.Render(text, corefile.Values{
		LocalIPs: []netip.Addr{netip.MustParseAddr("169.254.20.10")}, DNSPort: 53, Prometheus: ":9253",
		ClusterUpstream: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Upstreams:       []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")},
	})
	input := caddy.CaddyfileInput{Contents: []byte(rendered), Filepath: path, ServerTypeName: "dns"}
	if err := caddy.ValidateAndExecuteDirectives(input, nil, true); err != nil {
		reason := err.Error()
		// CoreDNS names the plugin, not the line.
		if name, _, ok := strings.Cut(strings.TrimPrefix(reason, "plugin/"), ":"); ok &&
			strings.HasPrefix(reason, "plugin/") {
			if lines := corefile.Lines(text, name); lines != "" {
				reason = "line " + lines + ": " + reason
			}
		}
		found = append(found, path+": "+reason)
	}
	return found
}
