package dnsmasq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// loopPeriod is how often the default servers are tested for a loop.
	loopPeriod = 5 * time.Minute
	// loopDomain is below a domain for tests (RFC 6761 section 6.2): nobody
	// else has names there.
	loopDomain = "loop.kube-dns.test"
)

// A loopTest finds servers that lead back to dnsmasq. dnsmasq is started with a
// TXT record that nobody else has, and servers are asked for it.
type loopTest struct {
	name, text string
	clusterDNS netip.Addr // the address of the cluster's DNS service, if known
	metrics    *Metrics
	log        *slog.Logger
}

func newLoopTest(clusterDNS netip.Addr, metrics *Metrics, log *slog.Logger) *loopTest {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	text := hex.EncodeToString(id[:])
	return &loopTest{name: text + "." + loopDomain, text: text, clusterDNS: clusterDNS, metrics: metrics, log: log}
}

// record is the value of --txt-record.
func (t *loopTest) record() string { return t.name + "," + t.text }

// run tests the newest list of servers that came through lists, at once and then
// every loopPeriod, until ctx is done. A server is named in the log when it is
// found to lead back, and when it no longer does.
func (t *loopTest) run(ctx context.Context, lists <-chan []netip.AddrPort) error {
	ticker := time.NewTicker(loopPeriod)
	defer ticker.Stop()
	var servers []netip.AddrPort
	known := map[netip.AddrPort]string{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case servers = <-lists:
		case <-ticker.C:
		}
		found := t.test(ctx, servers)
		for server, why := range found {
			if known[server] == "" {
				t.log.Error("an upstream nameserver leads back to dnsmasq: queries sent there go in circles; "+
					"name another one in upstreamNameservers, or in the resolv.conf that kubelet gives to pods (--resolv-conf)",
					"server", server, "reason", why)
			}
		}
		for server := range known {
			if found[server] == "" {
				t.log.Info("an upstream nameserver does not lead back to dnsmasq any more", "server", server)
			}
		}
		known = found
		t.metrics.setLoops(found)
	}
}

// test returns why servers lead back, for those that do.
func (t *loopTest) test(ctx context.Context, servers []netip.AddrPort) map[netip.AddrPort]string {
	found := map[netip.AddrPort]string{}
	var running sync.WaitGroup
	var mu sync.Mutex
	for _, server := range servers {
		running.Go(func() {
			why := t.why(ctx, server)
			if why == "" {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[server] = why
		})
	}
	running.Wait()
	return found
}

// why returns why server leads back; empty when nothing is known about that.
func (t *loopTest) why(ctx context.Context, server netip.AddrPort) string {
	if server.Addr() == t.clusterDNS {
		return "it is the cluster's own DNS service"
	}
	reply, err := exchange(ctx, server.String(), dns.Fqdn(t.name), dns.ClassINET)
	if err != nil {
		return "" // it does not answer: no loop, or one that ends in a timeout
	}
	for _, rr := range reply.Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.Join(txt.Txt, "") == t.text {
			if server.Addr().IsLoopback() {
				return "a loopback address is the pod itself, not the node; " +
					"on a node with systemd-resolved use /run/systemd/resolve/resolv.conf"
			}
			return "a test query that was sent there arrived here"
		}
	}
	return ""
}

// ownAddrs returns which of addrs are dnsmasq itself: it leaves them out.
func ownAddrs(addrs []netip.AddrPort, port uint16) (map[netip.AddrPort]bool, error) {
	locals, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses of this machine: %w", err)
	}
	own := map[netip.AddrPort]bool{}
	for _, local := range locals {
		ipnet, ok := local.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(ipnet.IP)
		for _, a := range addrs {
			if a.Port() == port && a.Addr().WithZone("") == ip.Unmap() {
				own[a] = true
			}
		}
	}
	return own, nil
}
