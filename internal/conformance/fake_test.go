package conformance_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/internal/conformance"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// rawServer answers each message with the bytes that reply returns (nil: no reply), over UDP and
// TCP. It stops when the test ends, and returns its address.
func rawServer(t *testing.T, reply func(request []byte, tcp bool) []byte) string {
	t.Helper()
	udp, tcp, err := dnstest.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			if wire := reply(buf[:n], false); wire != nil {
				_, _ = udp.WriteTo(wire, from)
			}
		}
	})
	group.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			serveRawTCP(conn, reply)
		}
	})
	t.Cleanup(func() {
		udp.Close()
		tcp.Close()
		group.Wait()
	})
	return tcp.Addr().String()
}

func serveRawTCP(conn net.Conn, reply func(request []byte, tcp bool) []byte) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	request := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, request); err != nil {
		return
	}
	wire := reply(request, true)
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...))
}

// query reads the keys of a question.
func query(t *testing.T, keys string) conformance.Query {
	t.Helper()
	var q conformance.Query
	if err := yaml.UnmarshalStrict([]byte("{"+keys+"}"), &q); err != nil {
		t.Fatal(err)
	}
	return q
}

// shortly returns a context that expires before the timeout of an Ask.
func shortly(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 50*time.Millisecond)
}

// message is a reply in words.
type message struct {
	rcode                     int
	flags                     string // of aa tc ra ad cd
	answer, authority, extras []string
	opt                       bool
}

// wire returns the message as reply to a request.
func (m message) wire(t *testing.T, request []byte) []byte {
	t.Helper()
	asked := new(dns.Msg)
	if err := asked.Unpack(request); err != nil {
		t.Errorf("request: %v", err)
		return nil
	}
	reply := new(dns.Msg).SetRcode(asked, m.rcode)
	has := func(flag string) bool { return strings.Contains(m.flags, flag) }
	reply.Authoritative, reply.Truncated, reply.RecursionAvailable = has("aa"), has("tc"), has("ra")
	reply.AuthenticatedData, reply.CheckingDisabled = has("ad"), has("cd")
	if m.opt {
		reply.SetEdns0(1232, false)
	}
	reply.Answer = records(t, m.answer)
	reply.Ns = records(t, m.authority)
	reply.Extra = append(reply.Extra, records(t, m.extras)...)
	wire, err := reply.Pack()
	if err != nil {
		t.Errorf("pack reply: %v", err)
	}
	return wire
}

func records(t *testing.T, lines []string) []dns.RR {
	t.Helper()
	var list []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Errorf("record %q: %v", line, err)
			continue
		}
		list = append(list, rr)
	}
	return list
}

// startResolver runs a new Resolver until the test has ended.
func startResolver(t testing.TB) *conformance.Resolver {
	t.Helper()
	r, err := conformance.NewResolver("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var group errgroup.Group
	group.Go(func() error { return r.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Errorf("outside resolver: %v", err)
		}
	})
	return r
}
