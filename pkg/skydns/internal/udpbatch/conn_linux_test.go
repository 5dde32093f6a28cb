package udpbatch

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// bothWays runs a test with many packets at a time, and with one.
func bothWays(t *testing.T, test func(t *testing.T, one bool)) {
	for name, one := range map[string]bool{"many": false, "one": true} {
		t.Run(name, func(t *testing.T) { test(t, one) })
	}
}

// nothingFails is for sockets that can send every packet.
func nothingFails(t testing.TB) func(error) {
	return func(err error) { t.Errorf("send: %v", err) }
}

// echo serves a socket until the test is over; each reply is the packet twice.
func echo(t testing.TB, addr string, one bool) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn := pc.(*net.UDPConn)
	c, err := New(conn, one, nothingFails(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			err := c.Serve(func(batch []Packet) {
				for i := range batch {
					p := &batch[i]
					if string(p.Data) == "later" {
						route := p.Route
						go c.Send(&route, []byte("now"))
						continue
					}
					p.Reply = append(append(p.Room, p.Data...), p.Data...)
				}
			})
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.SetReadDeadline(time.Now())
		<-done
		if err := c.conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func exchange(t testing.TB, conn net.Conn, text string) string {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 9000)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// TestReplyFromTheAddressAsked: a connected client receives replies only from the address of its
// query.
func TestReplyFromTheAddressAsked(t *testing.T) { bothWays(t, replyFromTheAddressAsked) }

func replyFromTheAddressAsked(t *testing.T, one bool) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"} {
		port := echo(t, listen, one).LocalAddr().(*net.UDPAddr).Port
		for _, ask := range []string{"127.0.0.1", "127.9.8.7", "::1"} {
			at := netip.MustParseAddrPort(listen).Addr()
			if at != netip.MustParseAddr(ask) && !at.IsUnspecified() {
				continue
			}
			conn, err := net.Dial("udp", net.JoinHostPort(ask, fmt.Sprint(port)))
			if err != nil {
				t.Fatal(err)
			}
			if got := exchange(t, conn, "x"); got != "xx" {
				t.Errorf("%s asked at %s: %q", listen, ask, got)
			}
			if got := exchange(t, conn, "later"); got != "now" {
				t.Errorf("%s asked at %s: %q", listen, ask, got)
			}
			_ = conn.Close()
		}
	}
}

func TestManyPackets(t *testing.T) { bothWays(t, manyPackets) }

func manyPackets(t *testing.T, one bool) {
	server := echo(t, "127.0.0.1:0", one)
	conn, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := map[string]bool{}
	for round := range 20 {
		for i := range 3 * batchSize {
			text := fmt.Sprintf("%d.%d;", round, i)
			want[text+text] = true
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 100)
		for range 3 * batchSize {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			delete(want, string(buf[:n]))
		}
	}
	if len(want) > 0 {
		t.Errorf("%d replies are missing", len(want))
	}
}

// TestClientsThatGo: a client with a closed port does not affect other clients.
func TestClientsThatGo(t *testing.T) { bothWays(t, clientsThatGo) }

func clientsThatGo(t *testing.T, one bool) {
	server := echo(t, "127.0.0.1:0", one)
	for range 50 {
		gone, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = gone.Write([]byte("x"))
		_ = gone.Close()
	}
	conn, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := exchange(t, conn, "x"); got != "xx" {
		t.Errorf("got %q", got)
	}
	if got := exchange(t, conn, string(bytes.Repeat([]byte("a"), 2000))); len(got) != 4000 {
		t.Errorf("%d bytes", len(got))
	}
}

// TestNewLeavesAClosedSocket: New returns an error for a closed socket.
func TestNewLeavesAClosedSocket(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = pc.Close()
	if _, err := New(pc.(*net.UDPConn), false, nothingFails(t)); err == nil {
		t.Error("a closed socket was taken over")
	}
}

func TestServeAllocatesNothing(t *testing.T) { bothWays(t, serveAllocatesNothing) }

func serveAllocatesNothing(t *testing.T, one bool) {
	pc, err := net.ListenPacket("udp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(pc.(*net.UDPConn), one, nothingFails(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	client, err := net.Dial("udp", net.JoinHostPort("127.0.0.1", fmt.Sprint(pc.LocalAddr().(*net.UDPAddr).Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	query, buf := []byte("x"), make([]byte, 100)
	received := 0
	handle := func(batch []Packet) {
		received += len(batch)
		for i := range batch {
			p := &batch[i]
			p.Reply = p.Room[:copy(p.Room[:MaxPacket], p.Data)]
		}
	}
	for _, packets := range []int{1, 9} {
		allocs := testing.AllocsPerRun(100, func() {
			for range packets {
				if _, err := client.Write(query); err != nil {
					t.Fatal(err)
				}
			}
			for received = 0; received < packets; {
				if err := c.Serve(handle); err != nil {
					t.Fatal(err)
				}
			}
			for range packets {
				if _, err := client.Read(buf); err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations for %d packets", allocs, packets)
		}
	}
}
