package world

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses of the agent, and of kube-dns.
var (
	LinkLocal  = netip.MustParseAddr("169.254.20.10")
	ClusterIP  = netip.MustParseAddr("10.96.0.10")
	LinkLocal6 = netip.MustParseAddr("fd00:20::10")
	ClusterIP6 = netip.MustParseAddr("fd00:96::10")
	KubeDNS    = netip.MustParseAddr("10.0.2.2")
	KubeDNS6   = netip.MustParseAddr("fd00:2::2")
)

// A World is a pod, a node and the pod of kube-dns.
type World struct{ Pod, Node, KubeDNS Namespace }

// New makes a world for the duration of the test.
func New(t *testing.T) World {
	t.Helper()
	w := World{Pod: newNamespace(t), Node: newNamespace(t), KubeDNS: newNamespace(t)}
	for _, n := range []Namespace{w.Pod, w.Node, w.KubeDNS} {
		write(t, n, "ipv6/conf/default/accept_dad", "0") // IPv6 is usable at once
		Up(t, n, "lo")
	}
	w.join(t, "pod", w.Pod, "1")
	w.join(t, "kubedns", w.KubeDNS, "2")
	write(t, w.Node, "ipv4/ip_forward", "1")
	write(t, w.Node, "ipv6/conf/all/forwarding", "1")
	w.KubeDNS.Do(func() {
		for _, addr := range []netip.Addr{KubeDNS, KubeDNS6} {
			if err := Serve(netip.AddrPortFrom(addr, 53), "kube-dns"); err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

// write sets a kernel variable.
func write(t *testing.T, in Namespace, path, value string) {
	t.Helper()
	in.Do(func() {
		if err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0); err != nil {
			t.Error(err)
		}
	})
}

// join connects a pod with the node: 10.0.NET.0/24 and fd00:NET::/64.
func (w World) join(t *testing.T, name string, pod Namespace, net string) {
	t.Helper()
	var err error
	w.Node.Do(func() {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "eth0",
			PeerNamespace: netlink.NsFd(pod.fd)}
		err = netlink.LinkAdd(veth)
	})
	if err != nil {
		t.Fatal(err)
	}
	Up(t, w.Node, name, "10.0."+net+".1/24", "fd00:"+net+"::1/64")
	Up(t, pod, "eth0", "10.0."+net+".2/24", "fd00:"+net+"::2/64")
	pod.Do(func() {
		for _, gateway := range []string{"10.0." + net + ".1", "fd00:" + net + "::1"} {
			err = netlink.RouteAdd(&netlink.Route{Gw: netip.MustParseAddr(gateway).AsSlice()})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// Up sets a link up with the addresses.
func Up(t *testing.T, in Namespace, name string, addrs ...string) {
	t.Helper()
	in.Do(func() {
		device, err := netlink.LinkByName(name)
		if err != nil {
			t.Error(err)
			return
		}
		for _, text := range addrs {
			prefix := netip.MustParsePrefix(text)
			addr := &netlink.Addr{IPNet: &net.IPNet{
				IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
			}}
			if prefix.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := netlink.AddrAdd(device, addr); err != nil {
				t.Error(err)
			}
		}
		if err := netlink.LinkSetUp(device); err != nil {
			t.Error(err)
		}
	})
}

// Proxies have the rules of kube-proxy in each of its modes.
var Proxies = map[string]func(t *testing.T, node Namespace){
	"iptables-legacy": func(t *testing.T, node Namespace) { iptablesProxy(t, node, "-legacy") },
	"iptables-nft":    func(t *testing.T, node Namespace) { iptablesProxy(t, node, "-nft") },
	"nftables":        nftablesProxy,
}

func iptablesProxy(t *testing.T, node Namespace, backend string) {
	t.Helper()
	for program, addrs := range map[string][2]string{
		"iptables" + backend:  {ClusterIP.String(), KubeDNS.String()},
		"ip6tables" + backend: {ClusterIP6.String(), KubeDNS6.String()},
	} {
		for _, proto := range []string{"udp", "tcp"} {
			for _, chain := range []string{"PREROUTING", "OUTPUT"} {
				node.Run(t, program, "-w", "-t", "nat", "-A", chain, "-d", addrs[0], "-p", proto, "--dport", "53",
					"-j", "DNAT", "--to-destination", addrs[1])
			}
		}
		node.Run(t, program, "-w", "-t", "nat", "-A", "POSTROUTING", "-s", addrs[0], "-j", "MASQUERADE")
	}
}

// nftablesProxy also rejects untranslated packets of the host to a ClusterIP.
func nftablesProxy(t *testing.T, node Namespace) {
	t.Helper()
	var rules strings.Builder
	for fam, addrs := range map[string][2]netip.Addr{"ip": {ClusterIP, KubeDNS}, "ip6": {ClusterIP6, KubeDNS6}} {
		fmt.Fprintf(&rules, `table %[1]s kube-proxy {
			chain pre { type nat hook prerouting priority -100
				%[1]s daddr %[2]s udp dport 53 dnat to %[3]s
				%[1]s daddr %[2]s tcp dport 53 dnat to %[3]s
			}
			chain out { type nat hook output priority -100
				%[1]s daddr %[2]s udp dport 53 dnat to %[3]s
				%[1]s daddr %[2]s tcp dport 53 dnat to %[3]s
			}
			chain post { type nat hook postrouting priority 100
				%[1]s saddr %[2]s masquerade
			}
			chain check { type filter hook output priority 0
				ct state new %[1]s daddr %[2]s reject
			}
		}
		`, fam, addrs[0], addrs[1])
	}
	if _, err := node.Try(rules.String(), "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}
