package skydns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
)

// socketsPerPort returns the number of sockets for UDP. Each one has a goroutine.
func socketsPerPort() int { return min(runtime.GOMAXPROCS(0), 64) }

// Sockets are the listening sockets of a Server: one address, UDP and TCP.
type Sockets struct {
	udp []*net.UDPConn // the kernel distributes clients over them
	tcp net.Listener
}

// Listen binds the address host:port for UDP and TCP. An unspecified host means all addresses of
// both families. For UDP it opens a socket for each processor, if the system can distribute packets
// over them.
func Listen(ctx context.Context, addr string) (*Sockets, error) {
	s, err := listen(ctx, addr)
	// With port 0 TCP chooses a port, which may be in use for UDP.
	for range freePortTries {
		if err == nil || !strings.HasSuffix(addr, ":0") || ctx.Err() != nil {
			break
		}
		s, err = listen(ctx, addr)
	}
	return s, err
}

// freePortTries limits the tries with another free port.
const freePortTries = 10

func listen(ctx context.Context, addr string) (*Sockets, error) {
	var lc net.ListenConfig
	tcp, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s over TCP: %w", addr, err)
	}
	s := &Sockets{tcp: tcp}
	if s.udp, err = listenUDP(ctx, tcp.Addr().String()); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s over UDP: %w", addr, err), tcp.Close())
	}
	return s, nil
}

func listenUDP(ctx context.Context, addr string) ([]*net.UDPConn, error) {
	var lc net.ListenConfig
	alone, err := lc.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	n := socketsPerPort()
	if n == 1 || reusePort == nil {
		return prepare([]net.PacketConn{alone}), nil
	}
	// Sockets that share a port would also share it with another process. The first socket was
	// bound without sharing, so there is none.
	if err := alone.Close(); err != nil {
		return nil, err
	}
	conns, err := listenShared(ctx, addr, n)
	if err != nil {
		// The kernel, or a seccomp filter, does not allow a shared port.
		alone, aloneErr := lc.ListenPacket(ctx, "udp", addr)
		if aloneErr != nil {
			return nil, errors.Join(err, aloneErr)
		}
		conns = []net.PacketConn{alone}
	}
	return prepare(conns), nil
}

// listenShared binds n sockets to one port.
func listenShared(ctx context.Context, addr string, n int) ([]net.PacketConn, error) {
	lc := net.ListenConfig{Control: reusePort}
	var conns []net.PacketConn
	for range n {
		conn, err := lc.ListenPacket(ctx, "udp", addr)
		if err != nil {
			for _, c := range conns {
				err = errors.Join(err, c.Close())
			}
			return nil, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// Buffers of a UDP socket, in bytes; the kernel may allow less. The receive buffer holds packets
// while this process is not scheduled. Replies to addresses that do not resolve remain in the send
// buffer for seconds, up to 208 KiB for each address. The rest is room for all other clients.
const (
	receiveBuffer = 4 << 20
	sendBuffer    = 8 << 20
)

func prepare(conns []net.PacketConn) []*net.UDPConn {
	var out []*net.UDPConn
	for _, conn := range conns {
		udp := conn.(*net.UDPConn)
		if !forceBuffers(udp, receiveBuffer, sendBuffer) {
			_ = udp.SetReadBuffer(receiveBuffer)
			_ = udp.SetWriteBuffer(sendBuffer)
		}
		out = append(out, udp)
	}
	return out
}

// Addr is the address that the sockets are bound to.
func (s *Sockets) Addr() net.Addr { return s.tcp.Addr() }

// Close closes the sockets.
func (s *Sockets) Close() error {
	err := ignoreClosed(s.tcp.Close())
	for _, conn := range s.udp {
		err = errors.Join(err, ignoreClosed(conn.Close()))
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
