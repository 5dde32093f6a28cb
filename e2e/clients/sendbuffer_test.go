package clients

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// TestSendBuffer has clients that query from addresses that do not resolve. The kernel keeps their
// replies in the socket's send buffer for seconds; a client that exists is still answered as usual.
// A process without CAP_NET_ADMIN cannot raise the buffer above the system's limit. With a low
// limit, the client loses the queries that it sends while the buffer is full, and its retries are
// answered.
func TestSendBuffer(t *testing.T) {
	dir := t.TempDir()
	openToAll(t, dir)
	write(t, filepath.Join(dir, "objects.yaml"), largeObjects())
	for _, rights := range []struct {
		name   string
		lost   int // of 12 queries, at most
		change func(cmd *exec.Cmd)
	}{
		{"root", 0, func(*exec.Cmd) {}},
		{"no capabilities", 1, func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}},
		{"default buffer", 1, func(cmd *exec.Cmd) {
			cmd.Env = append(os.Environ(), sandboxVariable+"=1")
			cmd.Path, cmd.Args = "/proc/self/exe", append([]string{os.Args[0]}, cmd.Args...)
		}},
	} {
		for _, fast := range []string{"true", "false"} {
			for _, burst := range []burst{
				{2, "s1.default.svc.cluster.local", 3000, 0},
				{2, "wide.data.svc.cluster.local", 1000, 4096},
				{50, "wide.data.svc.cluster.local", 5000, 4096},
			} {
				t.Run(fmt.Sprintf("%s/fast path %s/%d queries from %d addresses", rights.name, fast, burst.queries, burst.absent),
					func(t *testing.T) {
						cmd := command(t, filepath.Join(os.Getenv(insideVariable), "bin", "kube-dns"), "--manifests="+dir,
							"--dns-port=10053", "--fast-path="+fast)
						rights.change(cmd)
						runCommand(t, cmd)
						waitAnswer(t, kubeDNS, "s999.default.svc.cluster.local")
						link := newLink(t, burst.absent)
						link.send(t, burst)
						lost, slowest := link.askHonestly(t)
						t.Logf("lost %d of 12, slowest %v", lost, slowest)
						if lost > rights.lost {
							t.Errorf("lost %d of 12 honest queries, want at most %d", lost, rights.lost)
						}
					})
			}
		}
	}
}

// openToAll allows other users to read a test's folder and to enter those above it.
func openToAll(t *testing.T, dir string) {
	t.Helper()
	for _, dir := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// A burst is a number of queries for one name, from absent clients in turn. Size 0 is without EDNS.
type burst struct {
	absent  int
	name    string
	queries int
	size    uint16
}

func (l *link) send(t *testing.T, b burst) {
	t.Helper()
	query := dnstest.Query(b.name, dns.TypeA)
	if b.size > 0 {
		query.SetEdns0(b.size, false)
	}
	packet, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.queries {
		if _, err := l.absent[i%len(l.absent)].Write(packet); err != nil {
			t.Fatal(err)
		}
	}
}

// A link is a pair of interfaces to another network namespace, with the sockets of its clients: one
// with a resolvable address, and some without.
type link struct {
	honest net.Conn
	absent []net.Conn
}

// resolve makes the address of an absent client resolvable.
func (l *link) resolve(t *testing.T, addr string) {
	t.Helper()
	if out, err := exec.Command("ip", "neigh", "add", addr, "lladdr", farMAC, "dev", "near", "nud",
		"permanent").CombinedOutput(); err != nil {
		t.Fatalf("ip neigh add %s: %v: %s", addr, err, out)
	}
}

// The addresses of the two interfaces.
const nearMAC, farMAC = "02:00:00:00:00:01", "02:00:00:00:00:02"

// newLink adds a link with that number of absent clients: 10.9.0.50 and the following. The honest
// client is 10.9.0.2.
func newLink(t *testing.T, absent int) *link {
	t.Helper()
	command := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	command("netns", "add", "peer")
	t.Cleanup(func() { command("netns", "del", "peer") })
	command("link", "add", "near", "address", nearMAC, "type", "veth", "peer", "name", "far", "address", farMAC, "netns",
		"peer")
	t.Cleanup(func() { command("link", "del", "near") })
	command("addr", "add", "10.9.0.1/24", "dev", "near")
	command("link", "set", "near", "up")
	hosts := []byte{2}
	for i := range absent {
		hosts = append(hosts, byte(50+i))
	}
	for _, last := range hosts {
		command("-n", "peer", "addr", "add", fmt.Sprintf("10.9.0.%d/24", last), "dev", "far")
	}
	// The far side answers no ARP request; the honest client has a static entry.
	command("-n", "peer", "link", "set", "far", "up", "arp", "off")
	command("neigh", "add", "10.9.0.2", "lladdr", farMAC, "dev", "near", "nud", "permanent")
	command("-n", "peer", "neigh", "add", "10.9.0.1", "lladdr", nearMAC, "dev", "far", "nud", "permanent")
	l := new(link)
	inNamespace(t, "peer", func() error {
		for _, last := range hosts {
			conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(10, 9, 0, last)},
				&net.UDPAddr{IP: net.IPv4(10, 9, 0, 1), Port: 10053})
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
		runtime.LockOSThread() // never unlocked: the thread exits with the goroutine
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

// askHonestly sends twelve queries. It waits four seconds for each reply, and for late ones until
// the server answers a last query: a busy machine is slow, but loses none.
func (l *link) askHonestly(t *testing.T) (lost int, slowest time.Duration) {
	t.Helper()
	pending := map[uint16]bool{}
	for i := range 12 {
		began := time.Now()
		l.await(pending, l.query(t, i, pending), began.Add(4*time.Second))
		slowest = max(slowest, time.Since(began))
	}
	for range 10 {
		if len(pending) == 0 {
			break
		}
		last := l.query(t, 12, pending)
		l.await(pending, last, time.Now().Add(4*time.Second))
		answered := !pending[last]
		delete(pending, last)
		if answered {
			break
		}
	}
	return len(pending), slowest
}

// query sends the query for a name and adds its ID to those that are pending.
func (l *link) query(t *testing.T, i int, pending map[uint16]bool) uint16 {
	t.Helper()
	query := dnstest.Query(fmt.Sprintf("s%d.default.svc.cluster.local", i), dns.TypeA)
	query.Id = uint16(i)
	packet, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.honest.Write(packet); err != nil {
		t.Fatal(err)
	}
	pending[query.Id] = true
	return query.Id
}

// await reads replies, and removes their IDs, until the one with an ID has come or time is up.
func (l *link) await(pending map[uint16]bool, id uint16, until time.Time) {
	_ = l.honest.SetReadDeadline(until)
	buf := make([]byte, 512)
	for pending[id] {
		n, err := l.honest.Read(buf)
		if err != nil {
			return
		}
		if n >= 2 {
			delete(pending, binary.BigEndian.Uint16(buf))
		}
	}
}
