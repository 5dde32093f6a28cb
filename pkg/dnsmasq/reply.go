package dnsmasq

import (
	"context"
	"net"
	"time"

	"github.com/miekg/dns"
)

// replyOf returns the response code with which addr replies to query, over UDP, or false if
// ctx is done before.
func replyOf(ctx context.Context, addr string, query *dns.Msg) (code int, ok bool) {
	packet, err := query.Pack()
	if err != nil {
		return 0, false
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", addr)
	if err != nil {
		return 0, false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if _, err := conn.Write(packet); err != nil {
		return 0, false
	}
	buf := make([]byte, dns.MinMsgSize*2)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return 0, false
		}
		if reply := new(dns.Msg); reply.Unpack(buf[:n]) == nil && reply.Response && reply.Id == query.Id {
			return reply.Rcode, true
		}
	}
}
