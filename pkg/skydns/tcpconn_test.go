package skydns

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/shares"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A repeater is a client that sends bytes over and over, and reads every reply.
type repeater struct {
	net.Conn
	bytes []byte
	at    int
	read  int
}

func (r *repeater) Read(b []byte) (int, error) {
	n := copy(b, r.bytes[r.at:])
	r.at = (r.at + n) % len(r.bytes)
	return n, nil
}

func (r *repeater) Write(b []byte) (int, error)      { r.read += len(b); return len(b), nil }
func (r *repeater) SetReadDeadline(time.Time) error  { return nil }
func (r *repeater) SetWriteDeadline(time.Time) error { return nil }

// TestTCPAllocatesNothing: a query over TCP allocates nothing. Garbage doubles the heap before it
// is collected.
func TestTCPAllocatesNothing(t *testing.T) {
	z := kubedns.NewZone(kubedns.Options{})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "ns", Name: "web"},
		ClusterIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}})
	z.Publish()
	z.MarkSynced()
	f := upstream.New(netip.AddrPort{})
	defer f.Close()
	s, err := New(Options{Domain: "cluster.local.", Backend: z, Forwarder: f})
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	for range 100 {
		stream = append(stream, packedQuery(t, dnstest.Query("web.ns.svc.cluster.local", dns.TypeA))...)
	}
	client := &repeater{bytes: stream}
	conn := newTCPConn(client, netip.MustParseAddr("10.0.0.9"), s.tcp.replies)
	fast, replies := s.newFastPath(s.metrics.shared, tcp), 0
	allocs := testing.AllocsPerRun(1000, func() {
		raw, err := conn.next(t.Context(), idleTimeout)
		if err != nil {
			t.Fatal(err)
		}
		resp := s.tcp.answer(fast, raw, conn.from)
		conn.send(resp.reply, false)
		if len(resp.reply) > 0 {
			replies++
		}
	})
	conn.flush()
	if allocs != 0 {
		t.Errorf("%v allocations for each query", allocs)
	}
	if size := len(stream)/100 + 16; replies == 0 || client.read != replies*size {
		t.Errorf("got %d bytes of %d replies, want %d bytes each", client.read, replies, size)
	}
}

// packedQuery is a query as it is sent over TCP.
func packedQuery(t *testing.T, q *dns.Msg) []byte {
	t.Helper()
	raw := packed(t, q)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...)
}

// TestQueriesAsLargeAsTheBuffer: queries are read completely, for any size relative to the buffer.
func TestQueriesAsLargeAsTheBuffer(t *testing.T) {
	sizes := []int{0, 1, connBuffer - 3, connBuffer - 2, connBuffer - 1, connBuffer, connBuffer + 1, maxTCPQuery}
	client, server := net.Pipe()
	defer func() { _ = client.Close() }()
	go func() {
		defer func() { _ = client.Close() }()
		for i, size := range sizes {
			b := slices.Repeat([]byte{byte(i)}, size+2)
			binary.BigEndian.PutUint16(b, uint16(size))
			if _, err := client.Write(b); err != nil {
				return
			}
		}
	}()
	c := newTCPConn(server, netip.MustParseAddr("10.0.0.1"), shares.New(1, 1))
	for i, size := range sizes {
		raw, err := c.next(t.Context(), idleTimeout)
		if err != nil || len(raw) != size || slices.ContainsFunc(raw, func(b byte) bool { return b != byte(i) }) {
			t.Fatalf("query %d of %d bytes: got %d bytes, %v", i, size, len(raw), err)
		}
	}
	if raw, err := c.next(t.Context(), idleTimeout); err == nil {
		t.Errorf("after the last query: got %d bytes, want an error", len(raw))
	}
}
