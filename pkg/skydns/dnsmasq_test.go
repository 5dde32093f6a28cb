package skydns_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// TestExternalNameThroughDnsmasq queries both families of ExternalName Services through a real
// dnsmasq, over both transports and in each order. The name of a Service never reaches the outside
// server.
func TestExternalNameThroughDnsmasq(t *testing.T) {
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		t.Skip("no dnsmasq")
	}
	dir := t.TempDir()
	hosts := []string{
		"192.0.2.1 small.example.com", "2001:db8::1 small.example.com", "192.0.2.4 four.example.com",
		"2001:db8::b big.example.com",
	}
	for i := range 60 {
		hosts = append(hosts, fmt.Sprintf("198.51.100.%d big.example.com", 1+i))
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(strings.Join(hosts, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "outside.log")
	outside := startDnsmasq(t, "--addn-hosts="+filepath.Join(dir, "hosts"), "--local-ttl=60",
		"--address=/example.com/", "--log-queries", "--log-facility="+log)
	f := newForwarder(t, netip.AddrPort{})
	f.SetRoutes([]netip.AddrPort{netip.MustParseAddrPort(outside)}, nil)
	z := zone()
	for _, name := range []string{"small", "four", "big", "none"} {
		z.names[name] = []backend.Record{alias(name + ".example.com.")}
	}
	z.names["inner"] = []backend.Record{alias("small.cluster.local.")}
	front := serve(t, skydns.Options{Backend: z, Forwarder: f})
	hash := func(addr string) string { return strings.Replace(addr, ":", "#", 1) }
	for _, cache := range []string{"--no-negcache", "--cache-size=1000"} {
		server := startDnsmasq(t, cache, "--server=/cluster.local/"+hash(front), "--server="+hash(outside))
		n := 0
		for _, want := range []struct {
			name    string
			records map[uint16]int
		}{
			{"small", map[uint16]int{dns.TypeA: 2, dns.TypeAAAA: 2, dns.TypeCNAME: 1}},
			{"four", map[uint16]int{dns.TypeA: 2, dns.TypeAAAA: 1, dns.TypeCNAME: 1}},
			{"big", map[uint16]int{dns.TypeA: 61, dns.TypeAAAA: 2, dns.TypeCNAME: 1}},
			{"none", map[uint16]int{dns.TypeA: 1, dns.TypeAAAA: 1, dns.TypeCNAME: 1}},
			{"inner", map[uint16]int{dns.TypeA: 3, dns.TypeAAAA: 3, dns.TypeCNAME: 1}},
		} {
			for _, types := range [][]uint16{{dns.TypeA, dns.TypeAAAA}, {dns.TypeAAAA, dns.TypeA}, {dns.TypeCNAME, dns.TypeA}} {
				for _, transports := range [][]string{{"udp", "tcp"}, {"tcp", "tcp"}, {"tcp", "udp"}} {
					for i, qtype := range append(types, types...) {
						m := new(dns.Msg).SetQuestion(want.name+".cluster.local.", qtype)
						c := dns.Client{Net: transports[i%2], Timeout: 10 * time.Second}
						reply, _, err := c.Exchange(m, server)
						if err == nil && reply.Truncated {
							c.Net = "tcp"
							reply, _, err = c.Exchange(m, server)
						}
						if err != nil {
							t.Fatal(err)
						}
						if n++; len(reply.Answer) != want.records[qtype] || reply.CheckingDisabled {
							t.Errorf("%s %s %s, after %v: %v", cache, want.name, dns.TypeToString[qtype], types[:i%2], reply)
						}
					}
				}
			}
		}
	}
	queries, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(queries), "small.example.com") || strings.Contains(string(queries), "cluster.local") {
		t.Errorf("the outside server was asked for:\n%s", queries)
	}
}

// startDnsmasq runs a dnsmasq with these arguments, and returns its address.
func startDnsmasq(t *testing.T, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	args = append([]string{
		"-k", "-C", "/dev/null", "--no-hosts", "--no-resolv", "--pid-file=", "--user=", "--port=" + strconv.Itoa(port),
		"--listen-address=127.0.0.1", "--bind-interfaces"}, args...)
	cmd := exec.Command("dnsmasq", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 3000 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return addr
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("dnsmasq does not answer")
	return ""
}
