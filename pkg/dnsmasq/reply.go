package dnsmasq

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/miekg/dns"
)

// replyOf returns the response code of addr's reply to query, over UDP, or false if ctx is done
// first.
func replyOf(ctx context.Context, addr string, query *dns.Msg) (code int, ok bool) {
	client := dns.Client{UDPSize: 2 * dns.MinMsgSize} // some servers ignore the limit
	conn, err := client.DialContext(ctx, addr)
	if err != nil {
		return 0, false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // the library ignores ctx during a read
	reply, _, err := client.ExchangeWithConnContext(ctx, query, conn)
	if err != nil || !reply.Response {
		return 0, false
	}
	return reply.Rcode, true
}

// replyTo replies to all queries on conn, with the response code that rcode returns, until conn is
// closed or its deadline has passed.
func replyTo(conn net.PacketConn, rcode func(query *dns.Msg) int) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		query := new(dns.Msg)
		if err != nil || query.Unpack(buf[:n]) != nil || query.Response {
			continue
		}
		if reply, err := new(dns.Msg).SetRcode(query, rcode(query)).Pack(); err == nil {
			_, _ = conn.WriteTo(reply, from) // the client can be gone
		}
	}
}
