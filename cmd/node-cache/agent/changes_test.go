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

// A hundred changes, every tenth of them invalid, under load: no query over UDP is lost.
// A TCP connection that CoreDNS has accepted and not read from yet can be closed; another
// one works.
func TestChangesUnderLoad(t *testing.T) {
	n := newNode(t)
	n.start()
	n.until("a.cluster.local.", "192.0.2.1")
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{node: n}
	for i := range 8 {
		l.running.Go(func() { l.run(ctx, i) })
	}
	for i := range 100 {
		before := l.asked.Load()
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
			if l.asked.Load() == before {
				return "there is no load"
			}
			return ""
		})
	}
	cancel()
	l.running.Wait()
	t.Logf("%d queries, %d over UDP and %d over TCP lost, %d TCP connections closed",
		l.asked.Load(), l.lost[0].Load(), l.lost[1].Load(), l.closed.Load())
	if l.lost[0].Load() > 0 || l.lost[1].Load() > 0 {
		t.Error("queries were lost")
	}
}

// load is many clients. Each query has a socket of its own.
type load struct {
	node          *node
	running       sync.WaitGroup
	asked, closed atomic.Int64
	lost          [2]atomic.Int64 // over UDP, over TCP
}

// run asks until ctx is done. Every fourth client uses TCP.
func (l *load) run(ctx context.Context, i int) {
	tcp, transport := i%4 == 3, 0
	if tcp {
		transport = 1
	}
	for j := 0; ctx.Err() == nil; j++ {
		name := fmt.Sprintf("n%d-%d.cluster.local.", i, j%50)
		l.asked.Add(1)
		ok := l.node.answered(name, tcp)
		for tries := 1; !ok && tcp && tries < mostTries; tries++ {
			l.closed.Add(1)
			ok = l.node.answered(name, tcp)
		}
		if !ok {
			l.lost[transport].Add(1)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// mostTries is how often a client opens a TCP connection for a query: on a busy machine each one
// may meet a change.
const mostTries = 10

// answered reports whether a query gets a record. A busy machine takes its time.
func (n *node) answered(name string, tcp bool) bool {
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	reply, err := dnstest.TryExchange(ctx, n.addr.String(), dnstest.Query(name, dns.TypeA), tcp)
	return err == nil && len(reply.Answer) == 1
}
