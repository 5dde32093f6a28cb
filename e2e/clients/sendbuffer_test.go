package clients

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// TestSendBuffer has clients ask from addresses that do not resolve. The kernel
// keeps their replies in the socket's send buffer for seconds; meanwhile a client
// that is there is answered as ever.
func TestSendBuffer(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "objects.yaml"), largeObjects())
	for _, fast := range []string{"true", "false"} {
		for _, burst := range []struct {
			name    string
			queries int
			size    uint16
		}{
			{"s1.default.svc.cluster.local", 3000, 0},
			{"wide.data.svc.cluster.local", 1000, 4096},
		} {
			t.Run(fmt.Sprintf("fast path %s, %d queries", fast, burst.queries), func(t *testing.T) {
				run(t, filepath.Join(os.Getenv(insideVariable), "bin", "kube-dns"), "--manifests="+dir,
					"--dns-port=10053", "--fast-path="+fast)
				waitAnswer(t, kubeDNS, "s999.default.svc.cluster.local")
				link := newLink(t)
				query := dnstest.Query(burst.name, dns.TypeA)
				if burst.size > 0 {
					query.SetEdns0(burst.size, false)
				}
				packet, err := query.Pack()
				if err != nil {
					t.Fatal(err)
				}
				for i := range burst.queries {
					if _, err := link.absent[i%len(link.absent)].Write(packet); err != nil {
						t.Fatal(err)
					}
				}
				lost, slowest := link.askHonestly(t)
				t.Logf("lost %d of 12, slowest %v", lost, slowest)
				if lost > 0 {
					t.Errorf("lost %d of 12 honest queries", lost)
				}
			})
		}
	}
}

// A link is a pair of interfaces to another network namespace, with the sockets
// of clients there: one whose address resolves, and two that do not.
type link struct {
	honest net.Conn
	absent []net.Conn
}

// resolve makes the address of an absent client known.
func (l *link) resolve(t *testing.T, addr string) {
	t.Helper()
	if out, err := exec.Command("ip", "neigh", "add", addr, "lladdr", farMAC, "dev", "near", "nud", "permanent").CombinedOutput(); err != nil {
		t.Fatalf("ip neigh add %s: %v: %s", addr, err, out)
	}
}

// The addresses of the two interfaces.
const nearMAC, farMAC = "02:00:00:00:00:01", "02:00:00:00:00:02"

func newLink(t *testing.T) *link {
	t.Helper()
	command := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	command("netns", "add", "peer")
	t.Cleanup(func() { command("netns", "del", "peer") })
	command("link", "add", "near", "address", nearMAC, "type", "veth", "peer", "name", "far", "address", farMAC, "netns", "peer")
	t.Cleanup(func() { command("link", "del", "near") })
	command("addr", "add", "10.9.0.1/24", "dev", "near")
	command("link", "set", "near", "up")
	for _, last := range []string{"2", "50", "51"} {
		command("-n", "peer", "addr", "add", "10.9.0."+last+"/24", "dev", "far")
	}
	// The far side answers no ARP request; the honest client is entered by hand.
	command("-n", "peer", "link", "set", "far", "up", "arp", "off")
	command("neigh", "add", "10.9.0.2", "lladdr", farMAC, "dev", "near", "nud", "permanent")
	command("-n", "peer", "neigh", "add", "10.9.0.1", "lladdr", nearMAC, "dev", "far", "nud", "permanent")
	l := new(link)
	inNamespace(t, "peer", func() error {
		for _, last := range []byte{2, 50, 51} {
			conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(10, 9, 0, last)}, &net.UDPAddr{IP: net.IPv4(10, 9, 0, 1), Port: 10053})
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = conn.Close() })
			if last == 2 {
				l.honest = conn
			} else {
				l.absent = append(l.absent, conn)
			}
		}
		return nil
	})
	return l
}

// inNamespace runs f in a named network namespace.
func inNamespace(t *testing.T, name string, f func() error) {
	t.Helper()
	result := make(chan error, 1) // sent to by the goroutine below
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		namespace, err := os.Open("/run/netns/" + name)
		if err == nil {
			defer namespace.Close()
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// askHonestly asks twelve times, each time for four seconds.
func (l *link) askHonestly(t *testing.T) (lost int, slowest time.Duration) {
	t.Helper()
	buf := make([]byte, 512)
	for i := range 12 {
		packet, err := dnstest.Query(fmt.Sprintf("s%d.default.svc.cluster.local", i), dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_ = l.honest.SetDeadline(began.Add(4 * time.Second))
		if _, err := l.honest.Write(packet); err != nil {
			t.Fatal(err)
		}
		if _, err := l.honest.Read(buf); err != nil {
			lost++
		}
		slowest = max(slowest, time.Since(began))
	}
	return lost, slowest
}
