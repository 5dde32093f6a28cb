package corefile

import (
	"fmt"
	"net/netip"
)

// Emergency returns a healthy Corefile that answers SERVFAIL with a reason, until CoreDNS accepts
// another.
func Emergency(v Values, healthPort uint16, reason string) string {
	return fmt.Sprintf(".:%d {\n    errors\n    bind %s\n    prometheus %s\n    health %s\n    %s\n}\n",
		v.DNSPort, Join(v.LocalIPs, " "), v.Prometheus, netip.AddrPortFrom(v.LocalIPs[0], healthPort),
		unavailable(reason, ""))
}
