package clients

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// TestShares has a client that uses all it can get: queries that wait for a silent upstream, and
// TCP connections. Another client is served as usual.
func TestShares(t *testing.T) {
	answer := dnstest.Records(t, "answered.example. 60 IN A 203.0.113.9")
	upstream := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if strings.HasSuffix(q.Question[0].Name, ".silent.example.") {
			return
		}
		reply := new(dns.Msg).SetReply(q)
		for _, rr := range answer {
			rr = dns.Copy(rr)
			rr.Header().Name = q.Question[0].Name
			reply.Answer = append(reply.Answer, rr)
		}
		_ = w.WriteMsg(reply)
	}))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "objects.yaml"), largeObjects())
	run(t, filepath.Join(os.Getenv(insideVariable), "bin", "kube-dns"), "--manifests="+dir, "--dns-port=10053",
		"--nameservers="+upstream.Addr())
	waitAnswer(t, kubeDNS, "s999.default.svc.cluster.local")
	link := newLink(t, 2)
	link.resolve(t, "10.9.0.50")
	t.Run("pending queries", link.pendingQueries)
	t.Run("TCP connections", link.connections)
}

// pendingQueries sends 640 queries a second for silent names, for 5 seconds, and at the same time
// 120 for names that are answered.
func (l *link) pendingQueries(t *testing.T) {
	var flood sync.WaitGroup
	flood.Go(func() {
		for i := range 3200 {
			query, err := dnstest.Query(fmt.Sprintf("n%d.silent.example", i), dns.TypeA).Pack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = l.absent[0].Write(query)
			if i%64 == 63 {
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
	failed := 0
	buf := make([]byte, 512)
	for i := range 120 {
		query := dnstest.Query(fmt.Sprintf("n%d.answered.example", i), dns.TypeA)
		packet, err := query.Pack()
		if err != nil {
			t.Fatal(err)
		}
		_ = l.honest.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := l.honest.Write(packet); err != nil {
			t.Fatal(err)
		}
		n, err := l.honest.Read(buf)
		reply := new(dns.Msg)
		if err != nil || reply.Unpack(buf[:n]) != nil || reply.Id != query.Id || len(reply.Answer) != 1 {
			failed++
		}
		time.Sleep(35 * time.Millisecond)
	}
	flood.Wait()
	if failed > 0 {
		t.Errorf("%d of 120 queries of another client failed", failed)
	}
}

// connections opens and uses TCP connections until the server accepts no more, and then queries
// once from another address.
func (l *link) connections(t *testing.T) {
	dial := func(from string) (conn net.Conn, err error) {
		inNamespace(t, "peer", func() error {
			d := net.Dialer{Timeout: 4 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			conn, err = d.Dial("tcp", "10.9.0.1:10053")
			return nil
		})
		return conn, err
	}
	query, err := dnstest.Query("s1.default.svc.cluster.local", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for range 1200 {
		conn, err := dial("10.9.0.50")
		if err != nil {
			continue
		}
		defer conn.Close()
		if askOnce(conn, query) == nil {
			held++
		}
	}
	if held == 0 || held > 1100 {
		t.Errorf("one client holds %d connections, want its share of 8000", held)
	}
	conn, err := dial("10.9.0.2")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := askOnce(conn, query); err != nil {
		t.Errorf("another client: %v", err)
	}
}
