package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/clitest"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// patience is the maximum wait of a story.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dnsmasq-nanny": main})
}

// TestScripts runs the stories in testdata against the real command and the real dnsmasq. They use
// these variables:
//
//   - DNS and PORT: where dnsmasq listens
//   - HTTP: a free address
//   - ONE, TWO, KUBE: servers whose every A record is 192.0.2.1, 192.0.2.2 and
//     192.0.2.10; ONE_ARG and so on are the same in dnsmasq's form
//   - STATE: a directory that every user can enter
func TestScripts(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/dnsmasq"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnsmasq must be installed for the tests: %v", err)
		}
		t.Skipf("dnsmasq is not installed (Debian: dnsmasq-base): %v", err)
	}
	servers := map[string]*dnstest.Server{
		"ONE": server(t, "192.0.2.1"), "TWO": server(t, "192.0.2.2"), "KUBE": server(t, "192.0.2.10"),
	}
	golden, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	cmds := clitest.Commands(golden)
	cmds["ask"], cmds["signal"], cmds["until"] = cmdAsk, cmdSignal, cmdUntil
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			free := dnstest.FreeAddr(t)
			env.Setenv("DNS", free.String())
			env.Setenv("PORT", strconv.Itoa(int(free.Port())))
			env.Setenv("HTTP", dnstest.FreeAddr(t).String())
			for name, s := range servers {
				env.Setenv(name, s.Addr())
				env.Setenv(name+"_ARG", strings.Replace(s.Addr(), ":", "#", 1))
			}
			state, err := os.MkdirTemp("", "nanny-test-")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(state) })
			env.Setenv("STATE", state)
			return os.Chmod(state, 0o755)
		},
		Cmds: cmds,
	})
}

// server answers every A query with address.
func server(t *testing.T, address string) *dnstest.Server {
	return dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   netip.MustParseAddr(address).AsSlice(),
			})
		}
		_ = w.WriteMsg(m)
	}))
}

// cmdAsk queries dnsmasq for an A record until the answer is right. The answer "closed" means that
// no process listens.
//
//	ask NAME ADDRESS
func cmdAsk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ask name address")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := answer(ts.Getenv("DNS"), args[0])
		if got == args[1] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is %s, want %s", args[0], got, args[1])
		}
	}
}

func answer(addr, name string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	reply, err := dnstest.TryExchange(ctx, addr, dnstest.Query(dns.Fqdn(name), dns.TypeA), false)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "closed"
	case err != nil:
		return err.Error()
	}
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}
	return dns.RcodeToString[reply.Rcode]
}

// cmdSignal sends a signal to the background process:
//
//	signal TERM|INT|CONT
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "CONT": syscall.SIGCONT}[args[0]]
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(sig))
	}
}

// cmdUntil waits until a file has a line that matches:
//
//	until FILE PATTERN
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[1])
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if pattern.Match(b) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no line matches %q (%v) in\n%s", pattern, err, b)
		}
	}
}
