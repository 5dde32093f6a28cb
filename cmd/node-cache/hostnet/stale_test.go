package hostnet

import (
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestStale has a node with rules of a killed agent. Ours removes them, so that they do not outlive
// it.
func TestStale(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			world.Proxies["nftables"](t, w.Node)
			for _, addr := range config().Addrs {
				program := familyOf(addr).program("-" + backend)
				for _, r := range switchRules(Config{Port: 53, HealthPort: 8080}) {
					r.always = true
					args := append([]string{program, "-w", "-t", r.table(), "-I", r.chain}, r.iptables(addr)...)
					w.Node.Run(t, args...)
				}
			}
			a := startAgent(t, w.Node, config())
			for range config().Addrs {
				a.waitFor(t, "removed rules of an agent that did not remove them")
			}
			world.WantServer(t, "agent", w.Pod, world.ClusterIP, world.ClusterIP6)
			a.signal(t, syscall.SIGKILL)
			_ = a.cmd.Wait()
			world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP, world.ClusterIP6)
			world.WantServer(t, "kube-dns", w.Node, world.ClusterIP, world.ClusterIP6)
		})
	}
}

// TestCalico has a node with a firewall that can require -tracked.
func TestCalico(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Node.Do(func() {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cali0123456789a"}}); err != nil {
			t.Error(err)
		}
	})
	newAgent(t, w.Node, config()).waitFor(t, "without -tracked=true")
}
