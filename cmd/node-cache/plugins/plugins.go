// Package plugins has node-cache's own plugins for CoreDNS:
//
//   - loop detects zones that are forwarded back to us. It replaces CoreDNS's plugin, which
//     exits the process; here the zone answers SERVFAIL.
//   - reload is accepted and ignored: node-cache watches its files itself.
//   - pending counts the pending queries, and answers SERVFAIL above the max_concurrent of
//     forward, or above the part of their client.
//   - clients limits a client to half of max_concurrent.
//   - stale marks expired replies of the cache with an Extended DNS Error.
//   - unavailable answers SERVFAIL, for a zone without usable servers.
package plugins

import (
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// Register registers the plugins with CoreDNS. It must be called once per process.
func Register(m *Metrics) {
	plugin.Register("loop", func(c *caddy.Controller) error { return setupLoop(c, m) })
	plugin.Register("clients", func(c *caddy.Controller) error { return setupClients(c, m) })
	plugin.Register("pending", func(c *caddy.Controller) error { return setupPending(c, m) })
	plugin.Register("reload", setupReload)
	plugin.Register("stale", setupStale)
	plugin.Register("unavailable", setupUnavailable)
}

// setupReload checks the arguments of reload: an interval and a jitter.
func setupReload(c *caddy.Controller) error {
	for c.Next() {
		args := c.RemainingArgs()
		if len(args) > 2 {
			return plugin.Error("reload", c.ArgErr())
		}
		for _, arg := range args {
			if _, err := time.ParseDuration(arg); err != nil {
				return plugin.Error("reload", err)
			}
		}
	}
	return nil
}

// add adds a handler to the chain of a server block.
func add(c *caddy.Controller, h func(next plugin.Handler) plugin.Handler) {
	dnsserver.GetConfig(c).AddPlugin(h)
}

// withError adds an Extended DNS Error to a reply, if the query has EDNS.
func withError(reply, query *dns.Msg, code uint16, text string) {
	asked := query.IsEdns0()
	if asked == nil {
		return
	}
	opt := reply.IsEdns0()
	if opt == nil {
		reply.SetEdns0(asked.UDPSize(), asked.Do())
		opt = reply.IsEdns0()
	}
	opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
}

// fail answers SERVFAIL with a reason.
func fail(w dns.ResponseWriter, query *dns.Msg, code uint16, text string) (int, error) {
	reply := new(dns.Msg).SetRcode(query, dns.RcodeServerFailure)
	reply.RecursionAvailable = true
	withError(reply, query, code, text)
	if err := w.WriteMsg(reply); err != nil {
		return dns.RcodeServerFailure, err
	}
	return dns.RcodeSuccess, nil // already written
}
