package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// dnsServer answers A queries over TCP from a map of names, and otherwise NXDOMAIN.
func dnsServer(t *testing.T, addresses map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if a, ok := addresses[q.Question[0].Name]; ok {
			rr, _ := dns.NewRR(fmt.Sprintf("%s 30 IN A %s", q.Question[0].Name, a))
			m.Answer = []dns.RR{rr}
		} else {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		l.Close()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestDiff(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none")) // addresses and names need no cluster
	left := dnsServer(t, map[string]string{"same.example.": "192.0.2.1", "gone.example.": "192.0.2.2"})
	right := dnsServer(t, map[string]string{"same.example.": "192.0.2.1"})
	names := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(names, []byte("same.example\ngone.example A\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"different", []string{left, right, "--names", names, "--rate", "1000"}, codeFindings, []string{
			"1 same, 1 different of 2 (rate 1000/s", "1  response code: clients notice", "- NOERROR A 192.0.2.2",
			"+ NXDOMAIN"}},
		{"same", []string{left, left, "--names", names, "--rate", "1000"}, codeOK,
			[]string{"2 same, 0 different of 2"}},
		{"json", []string{left, right, "--names", names, "-o", "json"}, codeFindings,
			[]string{`"different": 1`, `"effect": "clients notice"`}},
		{"closed port", []string{left, "127.0.0.1:1", "--names", names}, codeUnknown,
			[]string{"127.0.0.1:1 does not reply over TCP"}},
		{"no file", []string{left, right, "--names", names + "x"}, codeUnknown, []string{"no such file"}},
		{"no cluster", []string{left, "pod/x", "--names", names}, codeUnknown,
			[]string{"set --kubeconfig or KUBECONFIG"}},
		{"one side", []string{left}, codeUnknown, []string{"kubectl kubedns diff takes A and B"}},
		{"bad rate", []string{left, right, "--rate", "0"}, codeUnknown, []string{"--rate: 0 is out of range"}},
		{"bad type", []string{left, right, "--types", "X"}, codeUnknown, []string{`--types: "X" is not a type`}},
		{"bad ignore", []string{left, right, "--ignore", "x"}, codeUnknown, []string{`--ignore: "x" is not compared`}},
		{"empty log", []string{left, right, "--from-log", names}, codeUnknown, []string{"no line is a query"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errOut := runCommand(t, append([]string{"diff"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("got code %d, want %d\n%s%s", code, tt.code, out, errOut)
			}
			for _, want := range tt.want {
				if !strings.Contains(out+errOut, want) {
					t.Errorf("got %q, want %q in it", out+errOut, want)
				}
			}
		})
	}
}

// relayTo listens, and connects each client to the current address in target.
func relayTo(t *testing.T, target *atomic.Value) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target.Load().(string))
			if err != nil {
				from.Close()
				continue
			}
			work.Go(func() { _, _ = io.Copy(to, from); to.Close() })
			work.Go(func() { _, _ = io.Copy(from, to); from.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); work.Wait() })
	return l.Addr().String()
}
