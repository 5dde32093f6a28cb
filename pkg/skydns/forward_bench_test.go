package skydns_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// BenchmarkForwarded sends queries through a server to an upstream and back, over UDP. Clients and
// upstream are another process. So cpu-ns/op, the processor time of this process with its share of
// the kernel, is only the server's. lost counts queries without a reply in a second. A searched
// query is forwarded twice, for one name in both families. The cache has none of the names.
func BenchmarkForwarded(b *testing.B) {
	const searched = outsideName + ".ns.svc.cluster.local"
	for _, bb := range []struct {
		title    string
		delay    time.Duration
		inFlight int
		name     string
		cache    int
	}{
		{"one at a time", 0, 1, outsideName, 0},
		{"one at a time, cache", 0, 1, outsideName, 16 << 20},
		{"one at a time, searched", 0, 1, searched, 0},
		{"one at a time, searched, cache", 0, 1, searched, 16 << 20},
		{"at once", 0, 256, outsideName, 0},
		{"after 5ms", 5 * time.Millisecond, 512, outsideName, 0},
		{"after 5ms, searched, cache", 5 * time.Millisecond, 256, searched, 16 << 20},
	} {
		b.Run(bb.title, func(b *testing.B) {
			p := startPeers(b, bb.delay, bb.inFlight, bb.name)
			f := directForwarder(b, upstream.Options{Direct: true, CacheSize: bb.cache})
			f.SetRoutes([]netip.AddrPort{p.upstream}, nil)
			addr := serve(b, skydns.Options{Backend: twinZone(), Forwarder: f, Autopath: true})
			p.ask(b, addr, 2000) // so that sockets and buffers are there
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			failed, lost := p.ask(b, addr, b.N)
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(failed), "failed")
			b.ReportMetric(float64(lost), "lost")
		})
	}
}

// cpuTime is the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peersEnv makes the test binary the peers of a benchmark: an upstream, and clients. Its value is
// the delay of the upstream, the number of pending queries and their name.
const peersEnv = "SKYDNS_TEST_PEERS"

// peers are the other process.
type peers struct {
	upstream netip.AddrPort
	in       io.Writer
	out      *bufio.Reader
}

// outsideName is a name with digits that the clients set.
const outsideName = "q00000000.outside.example"

func startPeers(b *testing.B, delay time.Duration, inFlight int, name string) *peers {
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", peersEnv, delay, inFlight, name))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	p := &peers{in: in, out: bufio.NewReader(out)}
	var addr string
	if _, err := fmt.Fscanln(p.out, &addr); err != nil {
		b.Fatal(err)
	}
	p.upstream = netip.MustParseAddrPort(addr)
	return p
}

// ask sends n queries. It returns the number of error replies, and of queries without a reply.
func (p *peers) ask(b *testing.B, server string, n int) (failed, lost int) {
	if _, err := fmt.Fprintln(p.in, server, n); err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Fscanln(p.out, &failed, &lost); err != nil {
		b.Fatal(err)
	}
	return failed, lost
}

// runPeers is the main function of the other process.
func runPeers(options string) error {
	var text, name string
	var inFlight int
	if _, err := fmt.Sscan(options, &text, &inFlight, &name); err != nil {
		return err
	}
	delay, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	_ = conn.SetReadBuffer(4 << 20)
	go func() { _ = runUpstream(ipv4.NewPacketConn(conn), delay) }()
	fmt.Println(conn.LocalAddr())
	asked := 0
	for {
		var server string
		var n int
		if _, err := fmt.Scanln(&server, &n); err != nil {
			return nil // the benchmark is over
		}
		failed, lost, err := runClients(server, name, asked, n, inFlight)
		if err != nil {
			return err
		}
		asked += n
		fmt.Println(failed, lost)
	}
}

// runUpstream answers every query with an address, after a delay.
func runUpstream(conn *ipv4.PacketConn, delay time.Duration) error {
	type batch struct {
		due      time.Time
		messages []ipv4.Message
	}
	batches := make(chan batch, 1000)
	go func() {
		for b := range batches {
			time.Sleep(time.Until(b.due))
			_ = writeAll(conn, b.messages)
		}
	}()
	defer close(batches)
	for {
		messages := newMessages(32)
		n, err := conn.ReadBatch(messages, 0)
		if err != nil {
			return err
		}
		messages = messages[:n]
		for i := range messages {
			m := &messages[i]
			end := headerSize + bytes.IndexByte(m.Buffers[0][headerSize:m.N], 0) + 5
			reply := m.Buffers[0][:end] // without OPT
			reply = append(reply, 0xc0, headerSize, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 1)
			reply[2] |= 0x80
			reply[7], reply[11] = 1, 0
			m.Buffers[0] = reply
		}
		if delay == 0 {
			err = writeAll(conn, messages)
		} else {
			batches <- batch{time.Now().Add(delay), messages}
		}
		if err != nil {
			return err
		}
	}
}

const headerSize = 12

// newMessages returns messages with room for a packet each.
func newMessages(n int) []ipv4.Message {
	messages := make([]ipv4.Message, n)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, 512)}
	}
	return messages
}

func writeAll(conn *ipv4.PacketConn, messages []ipv4.Message) error {
	for len(messages) > 0 {
		n, err := conn.WriteBatch(messages, 0)
		if err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

// runClients sends queries for n different names from several sockets, at most inFlight at a time.
func runClients(server, name string, first, n, inFlight int) (failed, lost int, err error) {
	sockets := min(4, inFlight, n)
	var mu sync.Mutex
	var clients sync.WaitGroup
	for i := range sockets {
		share := n / sockets
		if i == 0 {
			share = n - (sockets-1)*share
		}
		begin := first
		first += share
		clients.Go(func() {
			f, l, e := runClient(server, name, begin, share, inFlight/sockets)
			mu.Lock()
			defer mu.Unlock()
			failed, lost, err = failed+f, lost+l, errors.Join(err, e)
		})
	}
	clients.Wait()
	return failed, lost, err
}

func runClient(server, name string, first, n, inFlight int) (failed, lost int, err error) {
	udp, err := net.Dial("udp4", server)
	if err != nil {
		return 0, 0, err
	}
	defer udp.Close()
	_ = udp.(*net.UDPConn).SetReadBuffer(4 << 20)
	conn := ipv4.NewPacketConn(udp.(net.PacketConn))
	raw, err := dnstest.Query(name, dns.TypeA).Pack()
	if err != nil {
		return 0, 0, err
	}
	out, in := newMessages(32), newMessages(32)
	for i := range out {
		out[i].Buffers[0] = append(out[i].Buffers[0][:0], raw...)
	}
	next := func(many int) error {
		for i := range many {
			query := out[i].Buffers[0]
			binary.BigEndian.PutUint16(query, uint16(first))
			digits := strconv.AppendInt(nil, int64(first), 10)
			copy(query[headerSize+10-len(digits):], digits)
			first++
		}
		return writeAll(conn, out[:many])
	}
	end := first + n
	for open := 0; ; {
		for many := min(inFlight-open, end-first, len(out)); many > 0; many = min(inFlight-open, end-first, len(out)) {
			if err := next(many); err != nil {
				return failed, lost, err
			}
			open += many
		}
		if open == 0 {
			return failed, lost, nil
		}
		_ = udp.SetReadDeadline(time.Now().Add(time.Second))
		got, err := conn.ReadBatch(in, 0)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			lost += open
			open = 0
			continue
		}
		if err != nil {
			return failed, lost, err
		}
		for _, m := range in[:got] {
			if m.Buffers[0][3]&0xf != 0 {
				failed++
			}
		}
		open = max(0, open-got)
	}
}
