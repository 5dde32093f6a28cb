package coredns_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// A Corefile is served, another replaces it on the same socket, and a refused Corefile changes
// nothing.
func TestServer(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	text := func(ip string) string {
		return fmt.Sprintf(".:%d {\n\tbind %s\n\thosts {\n\t\t%s name.example\n\t}\n}\n", addr.Port(), addr.Addr(), ip)
	}
	server, err := coredns.Start(coredns.Options{Path: "Corefile", Port: 53, Quiet: true}, text("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Drain(), server.Stop(context.Background())); err != nil {
			t.Error(err)
		}
	})
	expect := func(ip string) {
		t.Helper()
		reply, err := dns.Exchange(new(dns.Msg).SetQuestion("name.example.", dns.TypeA), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if len(reply.Answer) != 1 || reply.Answer[0].(*dns.A).A.String() != ip {
			t.Errorf("got %v, want %s", reply.Answer, ip)
		}
	}
	expect("192.0.2.1")
	if err := server.Reload(text("192.0.2.2")); err != nil {
		t.Fatal(err)
	}
	expect("192.0.2.2")
	if err := server.Reload(".:53 {\n\tno-such-plugin\n}\n"); err == nil {
		t.Error("an unknown plugin is accepted")
	}
	expect("192.0.2.2")
}
