package dnsmasq

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
)

// finishTime is how long dnsmasq can finish its pending queries before SIGTERM, which drops them.
const finishTime = 500 * time.Millisecond

// refuseLate takes over dnsmasq's port for a while: new queries are REFUSED at once, so that
// dnsmasq can finish the old ones. It returns after d. If the port cannot be bound, dnsmasq
// continues as before.
//
// It works because dnsmasq allows other sockets on its address (SO_REUSEADDR). The kernel delivers
// packets for one address to the last socket bound to it.
func refuseLate(ctx context.Context, cmd cmdline.Line, d time.Duration) {
	var readers sync.WaitGroup
	// dnsmasq has bound all addresses, or the addresses of --listen-address.
	for _, addr := range append([]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, cmd.Listen...) {
		conn, err := bindBeside(ctx, addr, cmd.Port)
		if err != nil {
			continue // not an address of this machine, or not dnsmasq's
		}
		_ = conn.SetDeadline(time.Now().Add(d))
		readers.Go(func() {
			defer conn.Close()
			replyTo(conn, func(*dns.Msg) int { return dns.RcodeRefused }) // the client retries, or tries another server
		})
	}
	readers.Wait()
}

func bindBeside(ctx context.Context, addr netip.Addr, port uint16) (net.PacketConn, error) {
	network := "udp4"
	if addr.Is6() {
		network = "udp6"
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var set error
		err := raw.Control(func(fd uintptr) {
			set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
		})
		return errors.Join(err, set)
	}}
	return lc.ListenPacket(ctx, network, net.JoinHostPort(addr.String(), strconv.Itoa(int(port))))
}
