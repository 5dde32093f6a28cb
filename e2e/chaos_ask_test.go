//go:build chaos

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// A class is a kind of question.
type class string

const (
	classA       class = "A"
	classSRV     class = "SRV"
	classPTR     class = "PTR"
	classPod     class = "pod"
	classMiss    class = "search-path miss"
	classOutside class = "outside"
	classTCP     class = "TCP"
	classGlibc   class = "search list, glibc"
	classMusl    class = "search list, musl"
)

// clusterClasses are answered by kube-dns.
var clusterClasses = []class{classA, classSRV, classPTR, classPod, classMiss}

// scopes are the two halves of the UDP load.
var scopes = []struct {
	name    string
	classes []class
}{
	{"cluster", clusterClasses},
	{"outside", []class{classOutside}},
}

// An outcome is the result of a query.
type outcome int

const (
	right    outcome = iota
	lost             // no reply within the client's timeout
	refused          // REFUSED
	noSocket         // no socket at the port: the client gets an error immediately
	failed           // SERVFAIL
	wrong            // a reply that contradicts the objects
)

func (o outcome) String() string {
	return [...]string{"right", "lost", "refused", "no socket at the port", "failed", "wrong"}[o]
}

// asked is a question with its right reply. It is immutable.
type asked struct {
	class
	name  string
	qtype uint16
	wire  []byte // with any ID
	rcode int
	rdata []string // sorted
}

// newAsked returns a question: with RD and, like most clients, without EDNS.
func newAsked(c class, name string, qtype uint16, rcode int, rdata ...string) *asked {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	wire, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("pack the question %s: %v", name, err))
	}
	slices.Sort(rdata)
	return &asked{class: c, name: dns.Fqdn(name), qtype: qtype, wire: wire, rcode: rcode, rdata: rdata}
}

// judge returns the verdict on a reply, with the reason for a wrong reply.
func (q *asked) judge(m *dns.Msg, reply []byte) (outcome, string) {
	if err := m.Unpack(reply); err != nil {
		return wrong, err.Error()
	}
	return q.judgeMsg(m)
}

func (q *asked) judgeMsg(m *dns.Msg) (outcome, string) {
	switch m.Rcode {
	case dns.RcodeRefused:
		return refused, ""
	case dns.RcodeServerFailure:
		return failed, ""
	}
	if len(m.Question) != 1 || m.Question[0].Name != q.name || m.Question[0].Qtype != q.qtype {
		return wrong, fmt.Sprintf("for another question: %v", m.Question)
	}
	if m.Rcode == q.rcode && len(m.Answer) == len(q.rdata) && len(q.rdata) < 2 {
		if len(q.rdata) == 0 || rdata(m.Answer[0]) == q.rdata[0] {
			return right, ""
		}
	}
	got := make([]string, 0, len(m.Answer))
	for _, rr := range m.Answer {
		got = append(got, rdata(rr))
	}
	slices.Sort(got)
	if m.Rcode != q.rcode || !slices.Equal(got, q.rdata) {
		return wrong, fmt.Sprintf("got %s %q, want %s %q", dns.RcodeToString[m.Rcode], got, dns.RcodeToString[q.rcode],
			q.rdata)
	}
	return right, ""
}

// rdata is the data of a record.
func rdata(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.PTR:
		return rr.Ptr
	case *dns.CNAME:
		return "CNAME " + rr.Target
	case *dns.SRV:
		return fmt.Sprintf("%d %s", rr.Port, rr.Target)
	}
	return rr.String()
}

// A share is a part of the questions of a load: a list to choose from, or a function that returns a
// new question each time.
type share struct {
	weight int
	list   []*asked
	fresh  func() *asked
}

// pick chooses a question.
func pick(rng *rand.Rand, mix []share) *asked {
	total := 0
	for _, s := range mix {
		total += s.weight
	}
	n := rng.IntN(total)
	for _, s := range mix {
		if n -= s.weight; n >= 0 {
			continue
		}
		if s.fresh != nil {
			return s.fresh()
		}
		return s.list[rng.IntN(len(s.list))]
	}
	return nil
}

// podName returns the name of a new address each time, so that no cache has it.
func podName() *asked {
	n := podNames.Add(1)
	a, b, c := byte(n>>16), byte(n>>8), byte(n)
	return newAsked(classPod, fmt.Sprintf("10-%d-%d-%d.chaos.pod.cluster.local", a, b, c), dns.TypeA,
		dns.RcodeSuccess, fmt.Sprintf("10.%d.%d.%d", a, b, c))
}

var podNames atomic.Uint32

// askTCP queries a cluster name over its own connection.
func (l *load) askTCP(int) {
	q := &asked{class: classTCP, name: tcpQuestion.name, qtype: tcpQuestion.qtype, rcode: tcpQuestion.rcode,
		rdata: tcpQuestion.rdata}
	began := time.Now()
	reply, err := exchange("tcp", l.opts.server, q.name, q.qtype)
	if err != nil {
		l.note(q, began, lostBy(err), err.Error())
		return
	}
	out, why := q.judgeMsg(reply)
	l.note(q, began, out, why)
}

// tcpQuestion is sent over TCP.
var tcpQuestion = newAsked(classTCP, "kubernetes.default.svc.cluster.local", dns.TypeA, dns.RcodeSuccess, "10.96.0.1")

// search looks up an outside name like the two C libraries in a pod: through the search list first,
// since it has fewer than five dots. Both continue after NXDOMAIN; after SERVFAIL glibc continues
// and musl gives up.
func (l *load) search(n int) {
	base := outsideQuestion(n % outsideNames)
	began := time.Now()
	out, why := right, ""
	musl := true
	for _, suffix := range []string{"chaos.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", ""} {
		var reply *dns.Msg
		var err error
		if reply, err = exchange("udp", l.opts.server, base.name+suffix, dns.TypeA); err != nil {
			out, why = lostBy(err), err.Error()
			break
		}
		if suffix == "" {
			out, why = base.judgeMsg(reply)
		} else if reply.Rcode == dns.RcodeServerFailure {
			musl = false
		}
	}
	q := *base
	q.class = classGlibc
	l.note(&q, began, out, why)
	if !musl && out == right {
		out, why = failed, "SERVFAIL on the way"
	}
	m := *base
	m.class = classMusl
	l.note(&m, began, out, why)
}

// exchange sends one query through its own socket.
func exchange(network, server, name string, qtype uint16) (*dns.Msg, error) {
	client := &dns.Client{Net: network, Timeout: clientTimeout}
	reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, qtype), server)
	return reply, err
}

// lostBy distinguishes a port without a socket from a missing reply.
func lostBy(err error) outcome {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return noSocket
	}
	return lost
}
