package skydns_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// TestReceiveDrops: packets that the kernel drops because a receive buffer is full are
// counted, on both paths.
func TestReceiveDrops(t *testing.T) {
	for _, slow := range []bool{false, true} {
		reg := prometheus.NewRegistry()
		s := newServer(t, skydns.Options{Backend: zone(), Registerer: reg, NoFastPath: slow})
		sockets, err := skydns.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("udp", sockets.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		// No goroutine reads the socket yet. The packets exceed its buffer.
		packet := make([]byte, 4000)
		packet[2] = 0x80 // a response gets no reply
		for range 10_000 {
			if _, err := conn.Write(packet); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.Close()
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- s.Run(ctx, sockets) }()
		for end := time.Now().Add(20 * time.Second); value(t, reg, "kubedns_dns_receive_drops_total") == 0; {
			if time.Now().After(end) {
				t.Errorf("slow path %v: no dropped packet is counted", slow)
				break
			}
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}
