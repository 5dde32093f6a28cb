package coredns_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// run runs a Corefile for the duration of the test.
func run(t *testing.T, text string) *coredns.Server {
	t.Helper()
	server, err := coredns.Start(coredns.Options{Path: "Corefile", Port: 53, Quiet: true}, text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Drain(), server.Stop(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return server
}

// hosts is a Corefile with one name.
func hosts(addr netip.AddrPort, ip string) string {
	return fmt.Sprintf(".:%d {\n\tbind %s\n\thosts {\n\t\t%s name.example\n\t}\n}\n", addr.Port(), addr.Addr(), ip)
}

func reload(t *testing.T, server *coredns.Server, text string) {
	t.Helper()
	if err := server.Reload(text); err != nil {
		t.Fatal(err)
	}
}

// dial opens a TCP connection for the duration of the test.
func dial(t *testing.T, addr netip.AddrPort) *dns.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &dns.Conn{Conn: conn}
}

// send sends a query for name.example.
func send(t *testing.T, conn *dns.Conn) {
	t.Helper()
	if err := conn.WriteMsg(dnstest.Query("name.example.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
}

// receive expects a reply with an address.
func receive(t *testing.T, conn *dns.Conn, want string) {
	t.Helper()
	reply, err := conn.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Answer) != 1 || reply.Answer[0].(*dns.A).A.String() != want {
		t.Errorf("got %v, want %s", reply.Answer, want)
	}
}

// A reload closes no TCP connection, whether or not its client has sent a query.
func TestReloadKeepsConnections(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	server := run(t, hosts(addr, "192.0.2.1"))
	silent, half, used := dial(t, addr), dial(t, addr), dial(t, addr)
	send(t, used)
	receive(t, used, "192.0.2.1") // all three are accepted: the queue has an order
	query, err := dnstest.Query("name.example.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	query = append([]byte{0, byte(len(query))}, query...)
	if _, err := half.Conn.Write(query[:7]); err != nil {
		t.Fatal(err)
	}
	for i := 2; i <= 4; i++ {
		reload(t, server, hosts(addr, fmt.Sprintf("192.0.2.%d", i)))
	}
	if _, err := half.Conn.Write(query[7:]); err != nil {
		t.Fatal(err)
	}
	send(t, silent)
	send(t, used)
	for _, conn := range []*dns.Conn{silent, half, used} {
		receive(t, conn, "192.0.2.4")
	}
}

// A reload opens new addresses and closes old ones. A failed reload does neither.
func TestReloadOfAddresses(t *testing.T) {
	first, second, third := dnstest.FreeAddr(t), dnstest.FreeAddr(t), dnstest.FreeAddr(t)
	server := run(t, hosts(first, "192.0.2.1"))
	isOpen := func(addr netip.AddrPort) bool {
		conn, err := net.Dial("tcp", addr.String())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	reload(t, server, hosts(first, "192.0.2.2")+hosts(second, "192.0.2.3"))
	conn := dial(t, second)
	send(t, conn)
	receive(t, conn, "192.0.2.3")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	health := fmt.Sprintf(".:%d {\n\tbind %s\n\twhoami\n\thealth %s\n}\n", third.Port(), third.Addr(), taken.Addr())
	for _, bad := range []string{
		hosts(third, "192.0.2.4") + hosts(netip.MustParseAddrPort(taken.Addr().String()), "192.0.2.5"), health,
		hosts(third, "192.0.2.4") + hosts(third, "192.0.2.5"),
	} {
		if err := server.Reload(bad); err == nil {
			t.Errorf("loaded:\n%s", bad)
		}
	}
	if isOpen(third) || !isOpen(first) || !isOpen(second) {
		t.Errorf("after reloads that failed: third %v, first %v, second %v", isOpen(third), isOpen(first),
			isOpen(second))
	}

	reload(t, server, hosts(second, "192.0.2.6"))
	send(t, conn)
	receive(t, conn, "192.0.2.6")
	if isOpen(first) {
		t.Error("the address without a block is still open")
	}
}

// A zone can have one block for each address.
func TestZoneTwice(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	zone := func(bind string) string { return fmt.Sprintf("a.example:%d {\n%s\twhoami\n}\n", addr.Port(), bind) }
	bound := zone(fmt.Sprintf("\tbind %s\n", addr.Addr()))
	for name, text := range map[string]string{"the same": bound + bound, "all and one": zone("") + bound} {
		_, err := coredns.Start(coredns.Options{Path: "Corefile", Port: 53, Quiet: true}, text)
		if err == nil || !strings.Contains(err.Error(), "cannot serve dns://a.example.:") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// Blocks of an imported file are served too, and a network is all its zones.
func TestImportedBlocks(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	file := filepath.Join(t.TempDir(), "more.server")
	block := fmt.Sprintf("b.example:%d 10.0.0.0/14:%[1]d {\n\tbind %s\n\ttemplate IN A {\n\t\tanswer \"{{ .Name }} 5 "+
		"A 192.0.2.2\"\n\t}\n}\n", addr.Port(), addr.Addr())
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "import " + file + "\n" + hosts(addr, "192.0.2.1")
	server := run(t, text)
	for range 2 {
		for _, name := range []string{"b.example.", "x.0.10.in-addr.arpa.", "x.3.10.in-addr.arpa."} {
			reply, err := dnstest.TryExchange(t.Context(), addr.String(), dnstest.Query(name, dns.TypeA), true)
			if err != nil || len(reply.Answer) != 1 {
				t.Errorf("%s: got %v, %v", name, reply, err)
			}
		}
		reload(t, server, "# again\n"+text)
	}
}

// The limits of a TCP connection are those of the newest Corefile.
func TestReloadChangesTimeouts(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	server := run(t, hosts(addr, "192.0.2.1"))
	conn := dial(t, addr)
	for range 3 {
		send(t, conn)
		receive(t, conn, "192.0.2.1")
	}
	reload(t, server, strings.Replace(hosts(addr, "192.0.2.2"), "\thosts",
		"\ttimeouts {\n\t\tmaxtcpqueries 2\n\t}\n\thosts", 1))
	_ = conn.WriteMsg(dnstest.Query("name.example.", dns.TypeA)) // the server might have closed it
	_, err := conn.ReadMsg()
	if err == nil { // it started to wait for this query before the reload
		_, err = conn.ReadMsg()
	}
	if err == nil {
		t.Error("the connection is open after more queries than it may have")
	}
	conn = dial(t, addr)
	for range 2 {
		send(t, conn)
		receive(t, conn, "192.0.2.2")
	}
	if _, err := conn.ReadMsg(); err == nil {
		t.Error("a new connection is open after more queries than it may have")
	}
}
