package sidecar

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

const (
	// exchangeTimeout bounds each of connecting, sending and receiving.
	exchangeTimeout = 2 * time.Second
	// payloadSize is the UDP size probes offer (RFC 9715).
	payloadSize = 1232
)

// An Exchange sends the query of a Target once. It returns the reply and the time from sending to
// receiving, or an error without a reply. Several goroutines call it at once.
type Exchange func(ctx context.Context, t Target) (*dns.Msg, time.Duration, error)

// exchange is the Exchange over the network. The query has an OPT record, because only then can the
// reply have an Extended DNS Error (RFC 8914). If the server does not support it, the query is sent
// again without OPT (RFC 6891, section 7).
func exchange(ctx context.Context, t Target) (*dns.Msg, time.Duration, error) {
	question := new(dns.Msg).SetQuestion(t.Name, types[t.Type])
	question.SetEdns0(payloadSize, false)
	reply, rtt, err := send(ctx, t, question)
	if err != nil || reply.IsEdns0() != nil {
		return reply, rtt, err
	}
	if reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented {
		question.Extra = nil
		return send(ctx, t, question)
	}
	return reply, rtt, nil
}

// send sends one message from its own socket and waits for the reply, or until ctx is done.
func send(ctx context.Context, t Target, question *dns.Msg) (*dns.Msg, time.Duration, error) {
	client := &dns.Client{Net: t.Network, Timeout: exchangeTimeout}
	conn, err := client.DialContext(ctx, t.Server)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // the library ignores ctx during a read
	return client.ExchangeWithConnContext(ctx, question, conn)
}
