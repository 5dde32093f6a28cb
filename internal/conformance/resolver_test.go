package conformance_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

func TestResolver(t *testing.T) {
	resolver := startResolver(t)
	err := resolver.Set(conformance.ResolverData{
		Records: []string{
			"www.example. 300 IN A 192.0.2.1",
			"www.example. 300 IN A 192.0.2.2",
			"go.example. 300 IN CNAME www.example.",
			"far.example. 300 IN CNAME go.example.",
			"dangling.example. 300 IN CNAME nothing.example.",
			"ping.example. 300 IN CNAME pong.example.",
			"pong.example. 300 IN CNAME ping.example.",
			"big.example. 300 IN A 192.0.2.3",
		},
		Servfail: []string{"sick.example"},
		Drop:     []string{"mute.example"},
		Truncate: []string{"big.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	negative := "authority: resolver.test 60 SOA ns.resolver.test. root.resolver.test. 1 7200 900 86400 60, "
	always := "flags: {aa: false, ra: true, rd: true}, "
	cases := []struct{ name, query string }{
		{"known", "query: www.example A, rcode: NOERROR, opt: false, authority: [], additional: [], answer_count: 2, " +
			"answer_contains: [www.example 300 A 192.0.2.2]"},
		{"other case", "query: WWW.example A, rcode: NOERROR, answer_count: 2"},
		{"over TCP", "query: www.example A +tcp, rcode: NOERROR, answer_count: 2"},
		{"opt", "query: www.example A +bufsize=1232, opt: true, rcode: NOERROR"},
		{"cname", "query: far.example A, order: strict, rcode: NOERROR, authority: [], answer: [far.example CNAME " +
			"go.example, go.example CNAME www.example, www.example A 192.0.2.1, www.example A 192.0.2.2]"},
		{"cname itself", "query: go.example CNAME, rcode: NOERROR, answer: [go.example CNAME www.example]"},
		{"cname without such type", negative +
			"query: go.example AAAA, rcode: NOERROR, answer: [go.example CNAME www.example]"},
		{"cname to nowhere", negative + "query: dangling.example A, rcode: NXDOMAIN, answer_count: 1"},
		{"loop", "query: ping.example A, rcode: NOERROR, answer_min: 2"},
		{"no such type", negative + "query: www.example AAAA, rcode: NOERROR, answer: []"},
		{"no such name", negative + "query: nothing.example A, rcode: NXDOMAIN, answer: []"},
		{"servfail", "query: sick.example A, rcode: SERVFAIL, answer: [], authority: []"},
		{"truncated", "query: big.example A, rcode: NOERROR, answer: [], authority: []"},
		{"not over TCP", "query: big.example A +tcp, rcode: NOERROR, answer_count: 1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := query(t, always+c.query)
			reply, err := conformance.Ask(t.Context(), resolver.Addr().String(), q)
			if problems := q.Check(reply, err, now); problems != nil {
				t.Error(strings.Join(problems, "\n"))
			}
			if reply.Msg != nil && reply.Msg.Truncated != (c.name == "truncated") {
				t.Errorf("tc is %t", reply.Msg.Truncated)
			}
		})
	}
	t.Run("drop", func(t *testing.T) {
		ctx, cancel := shortly(t)
		defer cancel()
		if _, err := conformance.Ask(ctx, resolver.Addr().String(),
			query(t, "query: mute.example A, rcode: NOERROR")); !errors.Is(err, conformance.ErrNoReply) {
			t.Errorf("got %v, want %v", err, conformance.ErrNoReply)
		}
	})
}

// Set replaces everything; refused data changes nothing.
func TestResolverSet(t *testing.T) {
	resolver := startResolver(t)
	rcode := func() string {
		t.Helper()
		reply, err := conformance.Ask(t.Context(), resolver.Addr().String(),
			query(t, "query: a.example A, rcode: NOERROR"))
		if err != nil {
			t.Fatal(err)
		}
		return dns.RcodeToString[reply.Msg.Rcode]
	}
	got := []string{rcode()}
	for _, data := range []conformance.ResolverData{
		{Records: []string{"a.example. 1 IN A 192.0.2.1"}},
		{Records: []string{"a.example. 1 IN A nowhere"}},
		{Servfail: []string{"a.example."}},
		{},
	} {
		if err := resolver.Set(data); (err != nil) != (len(data.Records) > 0 &&
			strings.Contains(data.Records[0], "nowhere")) {
			t.Errorf("set %+v: %v", data, err)
		}
		got = append(got, rcode())
	}
	if diff := cmp.Diff([]string{"NXDOMAIN", "NOERROR", "NOERROR", "SERVFAIL", "NXDOMAIN"}, got); diff != "" {
		t.Errorf("rcodes (-want +got):\n%s", diff)
	}
}
