package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// rawServer sends the result of reply for each query, over UDP and TCP.
func rawServer(t *testing.T, reply func(query []byte) []byte) netip.AddrPort {
	t.Helper()
	packets, ln, err := dnstest.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp := packets.(*net.UDPConn)
	t.Cleanup(func() { _, _ = ln.Close(), udp.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = udp.WriteToUDPAddrPort(reply(buf[:n]), from)
		}
	}()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				var size [2]byte
				for {
					if _, err := io.ReadFull(conn, size[:]); err != nil {
						return
					}
					query := make([]byte, binary.BigEndian.Uint16(size[:]))
					if _, err := io.ReadFull(conn, query); err != nil {
						return
					}
					r := reply(query)
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...))
				}
			}()
		}
	}()
	return udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

// broken returns a reply whose answer section counts five records and has these bytes.
func broken(flags byte, answer string) func([]byte) []byte {
	return func(query []byte) []byte {
		r := append(bytes.Clone(query), answer...)
		r[2] |= 0x80 | flags
		r[7] = 5
		return r
	}
}

const oneAddress = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\xc0\x00\x02\x01"

// TestMalformedReply: an unreadable reply is no answer. The next server is queried, and without one
// the query fails; the reason is counted.
func TestMalformedReply(t *testing.T) {
	loop := "\xc0\x25" + oneAddress[2:] // to itself: the question is www.outside.example
	replies := map[string]string{"short": oneAddress, "name": loop,
		"data": "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x00"}
	query := packed(t, new(dns.Msg).SetQuestion("www.outside.example.", dns.TypeA))
	if len(query) != 0x25 {
		t.Fatalf("the question ends at %d", len(query))
	}
	for reason, answer := range replies {
		for _, tcp := range []bool{false, true} {
			bad := rawServer(t, broken(0, answer))
			f := toAddrs(t, bad)
			if raw, err := forwardOver(t, f, query, tcp); !errors.Is(err, errMalformed) {
				t.Errorf("%s, TCP %v: got %q, %v", reason, tcp, raw, err)
			}
			if n := f.Malformed()[reason]; n != 1 {
				t.Errorf("%s, TCP %v: counted %v", reason, tcp, f.Malformed())
			}
			good := dnstest.NewServer(t, rcode(dns.RcodeNameError))
			f = toAddrs(t, bad, good.AddrPort())
			if raw, err := forwardOver(t, f, query, tcp); err != nil || raw[3]&0xf != dns.RcodeNameError {
				t.Errorf("%s, TCP %v, two servers: got %q, %v", reason, tcp, raw, err)
			}
		}
	}
}

// TestTruncatedWithinRecord: a reply over UDP with TC may stop within a record. The client gets its
// header and question.
func TestTruncatedWithinRecord(t *testing.T) {
	query := packed(t, new(dns.Msg).SetQuestion("www.outside.example.", dns.TypeA))
	f := toAddrs(t, rawServer(t, broken(2, oneAddress[:9])))
	raw, err := forwardOver(t, f, query, false)
	if _, defect := wire.Check(raw); err != nil || defect != wire.Sound || raw[2]&2 == 0 || len(raw) != len(query) {
		t.Errorf("got %q, %v", raw, err)
	}
	if n := f.Malformed()["short"]; n != 0 {
		t.Errorf("counted %d", n)
	}
}
