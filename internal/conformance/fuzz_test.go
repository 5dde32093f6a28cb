package conformance

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Any bytes of a server can be read and compared.
func FuzzReply(f *testing.F) {
	soa := Record{Owner: "resolver.test", Type: "SOA", Rdata: "ns.resolver.test. * 1 7200 900 86400 60"}
	address := Record{Owner: "a.example", Type: "A", Rdata: "192.0.2.1"}
	anything := Record{Owner: "a.example", Type: "TXT", Rdata: "*"}
	count := 1
	q := Query{Question: Question{Name: "a.example", Type: "A"}, Expect: Expect{
		Rcode:  "NOERROR",
		Answer: []Record{address, anything}, AnswerSubset: []Record{anything}, AnswerContains: []Record{soa},
		AnswerCount: &count, AnswerMin: &count, Order: "strict", OwnerCase: "exact",
		Authority: &Authority{SOA: true}, Additional: []Record{}, MaxSize: 512,
	}}
	sent, err := q.Question.pack(1)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range []string{
		"a.example. 30 IN A 192.0.2.1", `a.example. 30 IN TXT "x \" y" "\000"`, "a.example. 1 IN SRV 1 2 3 b.example.",
		"a.example. 1 IN HTTPS 1 . alpn=h2", "a.example. 1 IN TYPE65500 \\# 2 abcd",
		"cluster.local. 60 IN SOA a. b. 1 2 3 4 5",
	} {
		rr, err := dns.NewRR(line)
		if err != nil {
			f.Fatal(err)
		}
		reply := new(dns.Msg).SetReply(&dns.Msg{Question: []dns.Question{{Name: "a.example.", Qtype: dns.TypeA,
			Qclass: dns.ClassINET}}})
		reply.Answer, reply.Ns = []dns.RR{rr, rr}, []dns.RR{rr}
		reply.SetEdns0(1232, true)
		wire, err := reply.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		msg, err := unpack(wire)
		if err != nil {
			return
		}
		for _, authority := range []*Authority{q.Authority, {Records: []Record{soa, address, anything}}} {
			q := q
			q.Authority = authority
			if problems := q.Check(Reply{Sent: sent, Wire: wire, Msg: msg}, nil, time.Unix(0, 0)); problems == nil {
				t.Error("a reply meets an expectation that contradicts itself")
			}
		}
	})
}

// A file that Parse accepts can be used: all its questions pack and all its expectations compare.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"queries: [{query: a A, rcode: NOERROR|REFUSED, answer: ['{hash:10.0.0.1} TXT * \"x y\"']}]",
		"objects: [{kind: Endpoints, metadata: {name: a, namespace: b}, subsets: [{addresses: [{ip: 10.0.0.1}, {ip: " +
			"'::1'}], ports: [{port: 1}]}]}]",
		"resolver: {records: [a. 1 IN A 192.0.2.1], drop: [b]}\nsteps: [{step: x, config: {k: '[\"{resolver}\"]'}, delete: " +
			"[{kind: Service, name: a}]}]",
		"queries: [{query: '{arpa:::1} PTR CH +tcp +norecurse +bufsize=1 +edns=1', rcode: BADVERS, authority: soa, flags: " +
			"{aa: true}}]",
		"objects: [{kind: Endpoints, metadata: {name: a}, subsets: {a: 1}}, {kind: EndpointSlice, metadata: {name: 1, " +
			"labels: []}}]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("fuzz", []byte(text), Zone)
		if err != nil {
			return
		}
		for _, step := range file.AllSteps() {
			for _, mode := range []EndpointsMode{EndpointsAsSlices, EndpointsAndSlices} {
				newTranslator(mode, file).translate(step.Apply, step.Delete)
			}
			for _, q := range step.Queries {
				plain, err := exampleNames.query(q)
				if err != nil {
					t.Fatalf("question %s: %v", q.Title(), err)
				}
				if _, err := plain.Question.pack(1); err != nil {
					t.Fatalf("question %s: %v", q.Title(), err)
				}
			}
		}
	})
}
