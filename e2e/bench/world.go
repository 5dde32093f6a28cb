package main

import (
	"flag"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// serveWorld is the server of outside names for lookups.sh: names below example.com have an IPv4
// address, all other names do not exist.
func serveWorld(args []string) error {
	f := flag.NewFlagSet("world", flag.ContinueOnError)
	delay := f.Duration("delay", 5*time.Millisecond, "time from a query to its reply")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return fmt.Errorf("world: want an address, such as 127.0.0.9:53")
	}
	server := &dns.Server{Addr: f.Arg(0), Net: "udp", Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		time.Sleep(*delay)
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		outside := dns.IsSubDomain("example.com.", strings.ToLower(name))
		header := dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}
		switch {
		case outside && q.Question[0].Qtype == dns.TypeA:
			m.Answer = []dns.RR{&dns.A{Hdr: header, A: net.IPv4(192, 0, 2, 1)}}
		case !outside:
			m.Rcode = dns.RcodeNameError
			fallthrough
		default:
			header.Name, header.Rrtype = ".", dns.TypeSOA
			if outside {
				header.Name = "example.com."
			}
			m.Ns = []dns.RR{&dns.SOA{Hdr: header, Ns: "ns.example.com.", Mbox: "host.example.com.", Minttl: 300}}
		}
		_ = w.WriteMsg(m)
	})}
	return server.ListenAndServe()
}
