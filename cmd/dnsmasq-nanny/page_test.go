package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

// TestFailingServers: the page names servers that fail their tests, and the error.
func TestFailingServers(t *testing.T) {
	state := dnsmasq.State{Servers: []dnsmasq.ServerState{{Server: "192.0.2.1"}, {Server: "192.0.2.2"}}, Total: 2}
	if got := replies(state); got.Level != statuspage.OK || got.Text != "no server fails its tests" {
		t.Errorf("got %+v, want a part that is fine", got)
	}
	state.Failing = []dnsmasq.FailingServer{{Server: "192.0.2.2", Rcode: "SERVFAIL"}}
	if got := replies(state); got.Level != statuspage.Warning ||
		got.Text != "test queries fail: 192.0.2.2 replies with SERVFAIL" {
		t.Errorf("got %+v, want a warning", got)
	}
	rows := serverTable(state).Rows
	if len(rows) != 2 || rows[0][1] != "in use" || rows[1][1] != "in use, but replies to tests with SERVFAIL" {
		t.Errorf("got %q, want one server that fails", rows)
	}
	for i := range 2 * namedServers {
		state.Failing = append(state.Failing,
			dnsmasq.FailingServer{Server: fmt.Sprint("/a.test/192.0.2.", i), Rcode: "REFUSED"})
	}
	if got := replies(state).Text; strings.Count(got, " replies with ") != namedServers ||
		!strings.HasSuffix(got, ", and 6 more") {
		t.Errorf("got %q, want %d servers", got, namedServers)
	}
}
