package agent_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// A hundred changes under load, every tenth of them invalid: no query is lost, and no TCP
// connection is closed before its client closes it.
func TestChangesUnderLoad(t *testing.T) {
	n := newNode(t)
	n.start()
	n.until("a.cluster.local.", "192.0.2.1")
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{node: n}
	began := time.Now()
	for i := range 14 {
		l.running.Go(func() { l.run(ctx, i) })
	}
	for i := range 100 {
		before := l.counts()
		if i%10 == 5 {
			n.write("map/stubDomains", "{")
			n.eventually(func() string {
				if got := n.configErrors(); got < float64(i/10+1) {
					return fmt.Sprintf("%v errors", got)
				}
				return ""
			})
		}
		n.write("map/stubDomains", fmt.Sprintf(`{"s%d.example": [%q]}`, i, n.kubeDNS.Addr()))
		n.until(fmt.Sprintf("a.s%d.example.", i), "192.0.2.1")
		n.eventually(func() string {
			for transport, count := range l.counts() {
				if count == before[transport] {
					return "there is no load over " + transports[transport]
				}
			}
			return ""
		})
	}
	cancel()
	l.running.Wait()
	took := time.Since(began).Seconds()
	for transport := range l.asked {
		asked, lost := l.asked[transport].Load(), l.lost[transport].Load()
		t.Logf("%s: %d of %d lost, %.0f a second", transports[transport], lost, asked, float64(asked)/took)
		if lost > 0 {
			t.Errorf("%s: queries were lost", transports[transport])
		}
	}
}

// The ways to send a query.
const (
	udp  = iota // from its own port
	tcp         // over its own connection
	kept        // over a persistent connection
)

var transports = [3]string{"UDP", "new TCP connections", "kept TCP connections"}

// load is a set of clients.
type load struct {
	node        *node
	running     sync.WaitGroup
	asked, lost [3]atomic.Int64 // by transport
}

// counts returns the number of queries by transport.
func (l *load) counts() (counts [3]int64) {
	for transport := range counts {
		counts[transport] = l.asked[transport].Load()
	}
	return counts
}

// run sends queries until ctx is done. Of fourteen clients, four open TCP connections and two keep
// one.
func (l *load) run(ctx context.Context, i int) {
	transport := [7]int{udp, udp, udp, udp, tcp, tcp, kept}[i%7]
	var conn *dns.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for j := 0; ctx.Err() == nil; j++ {
		var err error
		if conn == nil {
			conn, err = dns.DialTimeout([3]string{"udp", "tcp", "tcp"}[transport], l.node.addr.String(), patience)
		}
		if err == nil {
			err = ask(conn, fmt.Sprintf("n%d-%d.cluster.local.", i, j%50))
		}
		l.asked[transport].Add(1)
		if err != nil && l.lost[transport].Add(1) < 10 {
			l.node.t.Logf("%s: %v", transports[transport], err)
		}
		if conn != nil && (err != nil || transport != kept) {
			_ = conn.Close()
			conn = nil
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// patience is the timeout of a query on a busy machine.
const patience = 30 * time.Second

// ask sends a query and expects a record.
func ask(conn *dns.Conn, name string) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := conn.WriteMsg(dnstest.Query(name, dns.TypeA)); err != nil {
		return err
	}
	reply, err := conn.ReadMsg()
	if err == nil && len(reply.Answer) != 1 {
		err = fmt.Errorf("no record: %v", reply)
	}
	return err
}
