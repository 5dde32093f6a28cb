//go:build node

package node

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// An upstream is a name server outside the cluster. It answers every A question of its zones,
// unless configured otherwise, and identifies itself by its TXT records.
type upstream struct {
	name string

	mu      sync.Mutex
	records map[string][]string // by lower-case full name and type, as "a.test. A"
	asked   map[string]int
}

// The addresses and names common to all.
var outsideRecords = map[string][]string{
	"www.example.test. A":         {"www.example.test. 30 IN A 192.0.2.80"},
	"www.example.test. AAAA":      {"www.example.test. 30 IN AAAA 2001:db8::80"},
	"foo.example.test. A":         {"foo.example.test. 30 IN A 192.0.2.81"},
	"bar.example.test. A":         {"bar.example.test. 30 IN A 192.0.2.82"},
	"printer.stub.test. A":        {"printer.stub.test. 30 IN A 192.0.2.83"},
	"9.2.0.192.in-addr.arpa. PTR": {"9.2.0.192.in-addr.arpa. 30 IN PTR nine.example.test."},
}

func startUpstream(t *testing.T, addr, name string) *upstream {
	t.Helper()
	u := &upstream{name: name, records: map[string][]string{
		"who.example.test. TXT": {"who.example.test. 0 IN TXT " + name},
		"who.stub.test. TXT":    {"who.stub.test. 0 IN TXT " + name},
	}, asked: map[string]int{}}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatalf("listen as the %s name server: %v", name, err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen as the %s name server: %v", name, err)
	}
	servers := []*dns.Server{{PacketConn: conn, Handler: u}, {Listener: listener, Handler: u}}
	var serving sync.WaitGroup
	for _, s := range servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		serving.Go(func() { _ = s.ActivateAndServe() }) // returns on Shutdown
		<-started
	}
	t.Cleanup(func() {
		for _, s := range servers {
			_ = s.Shutdown()
		}
		serving.Wait()
	})
	return u
}

// ServeDNS implements dns.Handler. Unknown names do not exist; parents of known names are empty.
func (u *upstream) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	key := name + " " + dns.TypeToString[question.Qtype]
	u.mu.Lock()
	u.asked[name]++
	list := u.records[key]
	if list == nil {
		list = outsideRecords[key]
	}
	exists := u.exists(name)
	u.mu.Unlock()
	for _, text := range list {
		if rr, err := dns.NewRR(text); err == nil {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	// A disconnected client needs no reply.
	_ = w.WriteMsg(m)
}

// exists must be called with mu held.
func (u *upstream) exists(name string) bool {
	for _, all := range []map[string][]string{u.records, outsideRecords} {
		for key := range all {
			owner, _, _ := strings.Cut(key, " ")
			if owner == name || strings.HasSuffix(owner, "."+name) {
				return true
			}
		}
	}
	return false
}

// leaked lists the cluster names that were queried here.
func (u *upstream) leaked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var names []string
	for name := range u.asked {
		if strings.HasSuffix(name, ".cluster.local.") {
			names = append(names, name)
		}
	}
	return names
}
