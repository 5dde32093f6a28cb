package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestInterfaceOfOthers starts the command with a link that is in use. It exits with one line, and
// does not change the node.
func TestInterfaceOfOthers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Node.Do(func() {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cni0"}}
		ipvs := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "kube-ipvs0"}}
		port := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "port"}}
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "veth"}, PeerName: "veth-peer"}
		for _, err := range []error{
			netlink.LinkAdd(bridge), netlink.LinkAdd(ipvs), netlink.LinkAdd(port),
			netlink.LinkAdd(veth), netlink.LinkSetMaster(veth, bridge),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	world.Up(t, w.Node, "port", "192.0.2.77/24")
	for name, reason := range map[string]string{
		"lo":         "it is the loopback link",
		"kube-ipvs0": "kube-proxy has the addresses of Services there",
		"pod":        "it leads to another network namespace",
		"veth":       "it belongs to a bridge or bond",
		"cni0":       "the link veth belongs to it",
		"port":       "it has the address 192.0.2.77/24",
	} {
		before := networkOf(t, w.Node)
		n := newNodeCache(t, w.Node, t.TempDir(), corefile, "-interfacename="+name)
		n.start(t)
		err := n.cmd.Wait()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != 1 {
			t.Errorf("%s: got %v, want exit code 1", name, err)
		}
		want := "-interfacename=" + name + ": the link is in use: " + reason +
			"; choose a name that no link has, such as nodelocaldns"
		if got := n.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: got\n%s\nwant one line with %s", name, got, want)
		}
		if after := networkOf(t, w.Node); after != before {
			t.Errorf("%s: before:\n%s\nafter:\n%s", name, before, after)
		}
		if _, err := os.Stat(filepath.Join(n.dir, "Corefile")); err == nil {
			t.Errorf("%s: a Corefile is written", name)
		}
	}
}

// networkOf returns all links, addresses and rules of a node. The kernel adds link-local addresses
// some time after a link.
func networkOf(t *testing.T, node world.Namespace) string {
	t.Helper()
	var text strings.Builder
	node.Do(func() {
		links, err := netlink.LinkList()
		if err != nil {
			t.Error(err)
		}
		for _, l := range links {
			fmt.Fprintln(&text, l.Attrs().Name, l.Type(), l.Attrs().Alias, l.Attrs().MasterIndex)
		}
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			t.Error(err)
		}
		for _, a := range addrs {
			if !a.IP.IsLinkLocalUnicast() || a.IP.To4() != nil {
				fmt.Fprintln(&text, a.IPNet, a.LinkIndex)
			}
		}
	})
	return text.String() + node.Run(t, "nft", "list", "ruleset")
}
