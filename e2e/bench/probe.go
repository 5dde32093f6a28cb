package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
)

// A probe is a question of type A and the expected address.
type probe struct {
	name    string
	records int
	ip      netip.Addr // of a single record; the zero Addr: any
}

// probes returns questions for the ends and the middle of the data.
func probes(set dataset.Set) []probe {
	var out []probe
	for _, i := range []int{0, set.Services / 2, set.Services - 1} {
		out = append(out, probe{set.Service(i), 1, set.ClusterIP(i)})
	}
	for _, g := range set.Headless {
		out = append(out, probe{g.Service(g.Services - 1), g.Endpoints, netip.Addr{}})
	}
	return out
}

func (p probe) right(conn *dns.Conn) error {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(p.name), dns.TypeA)
	m.SetEdns0(4096, false)
	_ = conn.SetDeadline(time.Now().Add(250 * time.Millisecond))
	if err := conn.WriteMsg(m); err != nil {
		return err
	}
	for {
		r, err := conn.ReadMsg()
		if err != nil {
			return err
		}
		if r.Id != m.Id {
			continue
		}
		if r.Rcode != dns.RcodeSuccess || len(r.Answer) != p.records && !r.Truncated {
			return fmt.Errorf("%s: %s with %d records, want %d", p.name, dns.RcodeToString[r.Rcode], len(r.Answer),
				p.records)
		}
		if a, ok := r.Answer[0].(*dns.A); p.ip.IsValid() && (!ok || a.A.String() != p.ip.String()) {
			return fmt.Errorf("%s: %s, want %s", p.name, r.Answer[0], p.ip)
		}
		return nil
	}
}

// start starts a peer and waits until all probes succeed. It returns that time.
func (b *bench) start(ctx context.Context, s *setup, p peer.Peer) (*peer.Running, time.Duration, error) {
	site := peer.Site{Bin: b.bin, Kubeconfig: s.kubeconfig, Set: s.Set, Dir: b.fresh(s.Name + "-" + p.Name)}
	began := time.Now()
	r, err := peer.Start(p, site, b.core)
	if err != nil {
		return nil, 0, err
	}
	if p.Echo {
		time.Sleep(200 * time.Millisecond)
		return r, 0, r.Alive()
	}
	if err := awaitRight(ctx, r, probes(s.Set), 2*time.Minute); err != nil {
		r.Stop()
		return nil, 0, err
	}
	return r, time.Since(began), nil
}

// awaitRight queries every 2 ms until all probes have had the right reply.
func awaitRight(ctx context.Context, r *peer.Running, probes []probe, limit time.Duration) error {
	var conn *dns.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	err := errors.New("not asked yet")
	for end := time.Now().Add(limit); time.Now().Before(end) && ctx.Err() == nil; {
		if conn == nil {
			if conn, err = dns.DialTimeout("udp", r.Address.String(), time.Second); err != nil {
				return err
			}
			conn.UDPSize = 4096
		}
		if err = probes[0].right(conn); err == nil {
			if probes = probes[1:]; len(probes) == 0 {
				return nil
			}
			continue
		}
		_ = conn.Close() // a refused packet breaks the socket
		conn = nil
		if err := r.Alive(); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("no right answer within %s: %w; logs are in %s", limit, err, r.Dir)
}
