package conformance

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// ResolverData is the data of a [Resolver]. The zero value has no names.
type ResolverData struct {
	// Records are lines of a zone file, in one text or in a list: owner ttl IN type rdata.
	Records Lines `json:"records,omitempty"`
	// Names that get SERVFAIL, no reply, or an empty truncated reply over UDP and the full
	// reply over TCP.
	Servfail []string `json:"servfail,omitempty"`
	Drop     []string `json:"drop,omitempty"`
	Truncate []string `json:"truncate,omitempty"`
}

// HasNames reports whether the data has names at all.
func (d ResolverData) HasNames() bool {
	return len(d.Records)+len(d.Servfail)+len(d.Drop)+len(d.Truncate) > 0
}

// A Resolver serves the names outside the cluster: a name server on a loopback address, UDP and
// TCP, with a few records. All other names are NXDOMAIN, with an SOA record that no other server
// has.
//
// Its methods are safe for concurrent use.
type Resolver struct {
	udp  net.PacketConn
	tcp  net.Listener
	zone atomic.Pointer[zone]
}

// zone is a ResolverData, parsed. Names are in lower case, with final dot.
type zone struct {
	records                  map[string][]dns.RR
	servfail, drop, truncate map[string]bool
}

// NewResolver opens the sockets of a Resolver without names on an address (ip:port). An
// empty address is a free port of 127.0.0.1. Run closes the sockets.
func NewResolver(address string) (*Resolver, error) {
	udp, tcp, err := dnstest.Listen(cmp.Or(address, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listen for the outside resolver: %w", err)
	}
	r := &Resolver{udp: udp, tcp: tcp}
	r.zone.Store(&zone{})
	return r, nil
}

// Addr returns the address of the Resolver.
func (r *Resolver) Addr() netip.AddrPort {
	return netip.MustParseAddrPort(r.tcp.Addr().String())
}

// Set replaces the data of the Resolver.
func (r *Resolver) Set(data ResolverData) error {
	z, err := parseZone(data)
	if err != nil {
		return err
	}
	r.zone.Store(z)
	return nil
}

// Run replies to queries until ctx is done. It returns when the last reply is sent and the
// sockets are closed.
func (r *Resolver) Run(ctx context.Context) error {
	servers := []*dns.Server{
		{PacketConn: r.udp, Handler: r.handler(false)},
		{Listener: r.tcp, Handler: r.handler(true), MaxTCPQueries: -1},
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range servers {
		started, ended := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		group.Go(func() error {
			defer close(ended)
			return server.ActivateAndServe()
		})
		group.Go(func() error {
			<-ctx.Done()
			select {
			case <-started:
			case <-ended:
				return nil
			}
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return server.ShutdownContext(stop)
		})
	}
	return group.Wait()
}

func (r *Resolver) handler(tcp bool) dns.HandlerFunc {
	return func(w dns.ResponseWriter, request *dns.Msg) {
		if reply := r.zone.Load().reply(request, tcp); reply != nil {
			// The client may have disconnected.
			_ = w.WriteMsg(reply)
		}
	}
}

func parseZone(data ResolverData) (*zone, error) {
	z := &zone{
		records:  map[string][]dns.RR{},
		servfail: nameSet(data.Servfail),
		drop:     nameSet(data.Drop),
		truncate: nameSet(data.Truncate),
	}
	for _, line := range data.Records {
		rr, err := parseRR(line)
		if err != nil {
			return nil, fmt.Errorf("resolver record %q: %w", line, err)
		}
		name := strings.ToLower(rr.Header().Name)
		z.records[name] = append(z.records[name], rr)
	}
	return z, nil
}

func nameSet(list []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range list {
		set[strings.ToLower(dns.Fqdn(name))] = true
	}
	return set
}

// reply returns the reply to a request, or nil to send none.
func (z *zone) reply(request *dns.Msg, tcp bool) *dns.Msg {
	question := request.Question[0] // the library accepts exactly one
	name := strings.ToLower(question.Name)
	if z.drop[name] {
		return nil
	}
	reply := new(dns.Msg).SetReply(request)
	reply.RecursionAvailable = true
	if opt := request.IsEdns0(); opt != nil {
		reply.SetEdns0(1232, opt.Do())
	}
	switch {
	case z.servfail[name]:
		reply.Rcode = dns.RcodeServerFailure
	case z.truncate[name] && !tcp:
		reply.Truncated = true
	default:
		z.answer(reply, name, question.Qtype)
	}
	return reply
}

// answer adds the records of a name, through CNAMEs.
func (z *zone) answer(reply *dns.Msg, name string, qtype uint16) {
	found := false
	for len(reply.Answer) <= len(z.records) { // a loop of CNAMEs ends here
		records, known := z.records[name]
		if !known {
			reply.Rcode = dns.RcodeNameError
			break
		}
		target := ""
		for _, rr := range records {
			cname, isCNAME := rr.(*dns.CNAME)
			if rr.Header().Rrtype == qtype || isCNAME {
				reply.Answer = append(reply.Answer, rr)
			}
			found = found || rr.Header().Rrtype == qtype
			if isCNAME {
				target = strings.ToLower(cname.Target)
			}
		}
		if found || target == "" {
			break
		}
		name = target
	}
	if !found {
		reply.Ns = append(reply.Ns, resolverSOA())
	}
}

// resolverSOA is the authority record of negative replies. It shows that the query reached the
// Resolver.
func resolverSOA() dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: "resolver.test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "ns.resolver.test.", Mbox: "root.resolver.test.",
		Serial: 1, Refresh: 7200, Retry: 900, Expire: 86400, Minttl: 60,
	}
}
