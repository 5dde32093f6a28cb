package sidecar_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// A script is a name server that replies as scripted, in fake time.
type script struct {
	mu    sync.Mutex
	rtt   time.Duration
	reply *dns.Msg // nil: silence until the timeout
	asked []time.Time
}

var errTimeout = errors.New("i/o timeout")

func (s *script) set(rtt time.Duration, reply *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rtt, s.reply = rtt, reply
}

func (s *script) exchange(ctx context.Context, _ sidecar.Target) (*dns.Msg, time.Duration, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	rtt, reply := s.rtt, s.reply
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-time.After(rtt):
	}
	if reply == nil {
		return nil, 0, errTimeout
	}
	return reply, rtt, nil
}

// questions returns the times of the queries to the server, and clears the list.
func (s *script) questions() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// reply returns a reply with the given rcode, records and Extended DNS Errors.
func reply(rcode, answers int, errs ...*dns.EDNS0_EDE) *dns.Msg {
	m := new(dns.Msg).SetQuestion("a.test.", dns.TypeA)
	m.Response, m.Rcode = true, rcode
	for range answers {
		m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: "a.test.", Rrtype: dns.TypeA, Class: dns.ClassINET,
			Ttl: 30}})
	}
	m.SetEdns0(1232, false)
	for _, e := range errs {
		m.IsEdns0().Option = append(m.IsEdns0().Option, e)
	}
	return m
}

func waiting(text string) *dns.EDNS0_EDE {
	return &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNotReady, ExtraText: text}
}

// running starts s inside a bubble and returns a function that stops it and waits.
func running(t *testing.T, s *sidecar.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1) // from Run
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestStates(t *testing.T) {
	tests := []struct {
		name       string
		reply      *dns.Msg
		wantStatus int
		wantState  string
		wantRcode  string
		wantErr    string // "" means none at all
	}{
		{"records", reply(dns.RcodeSuccess, 1), 200, "ok", "NOERROR", ""},
		{"NXDOMAIN with records", reply(dns.RcodeNameError, 1), 200, "ok", "NXDOMAIN", ""},
		{"NODATA", reply(dns.RcodeSuccess, 0), 503, "failed", "NOERROR", "no answer record"},
		{"NXDOMAIN", reply(dns.RcodeNameError, 0), 503, "failed", "NXDOMAIN", "no answer record"},
		{"SERVFAIL", reply(dns.RcodeServerFailure, 0), 503, "failed", "SERVFAIL", "SERVFAIL"},
		{"SERVFAIL with records", reply(dns.RcodeServerFailure, 1), 503, "failed", "SERVFAIL", "SERVFAIL"},
		{"REFUSED with records", reply(dns.RcodeRefused, 1), 503, "failed", "REFUSED", "REFUSED"},
		{"BADVERS", reply(dns.RcodeBadVers, 0), 503, "failed", "BADVERS", "BADVERS"},
		{"rcode without a name", reply(3000, 0), 503, "failed", "RCODE3000", "RCODE3000"},
		{"not ready", reply(dns.RcodeServerFailure, 0, waiting("services not listed")), 200, "not ready", "SERVFAIL",
			"services not listed"},
		{"not ready, second of two errors", reply(dns.RcodeServerFailure, 0,
			&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeOther}, waiting("")), 200, "not ready", "SERVFAIL",
			"Extended DNS Error 14"},
		{"SERVFAIL with another error", reply(dns.RcodeServerFailure, 0,
			&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNetworkError}), 503, "failed", "SERVFAIL", "SERVFAIL"},
		{"REFUSED that claims to wait", reply(dns.RcodeRefused, 0, waiting("")), 503, "failed", "REFUSED", "REFUSED"},
		{"empty answer that claims to wait", reply(dns.RcodeSuccess, 0, waiting("")), 503, "failed", "NOERROR",
			"no answer record"},
		{"silence", nil, 503, "failed", "", "i/o timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &script{rtt: 3 * time.Millisecond, reply: tt.reply}
				s, reg := newServer(t, sidecar.Options{
					Targets:  []sidecar.Target{target(t, "a,127.0.0.1,a.test,5,A")},
					Exchange: server.exchange,
				})
				stop := running(t, s)
				// The first probe starts at once, the second one after 5 s.
				time.Sleep(4 * time.Second)
				status, doc := healthcheck(t, s, "a")
				stop()

				if status != tt.wantStatus || doc.State != tt.wantState || doc.LastRcode != tt.wantRcode {
					t.Errorf("got %d, %q, %q; want %d, %q, %q",
						status, doc.State, doc.LastRcode, tt.wantStatus, tt.wantState, tt.wantRcode)
				}
				if wantOk := tt.wantState == "ok"; doc.IsOk != wantOk {
					t.Errorf("IsOk is %v, want %v", doc.IsOk, wantOk)
				}
				if (tt.wantErr == "") != (doc.Err == "") || !strings.Contains(doc.Err, tt.wantErr) {
					t.Errorf("Err is %q, want one with %q", doc.Err, tt.wantErr)
				}
				if doc.Err != "" && !strings.Contains(doc.Err, "a.test. A at 127.0.0.1:53") {
					t.Errorf("Err %q does not name what was asked", doc.Err)
				}
				wantErrors, wantLatency := 1.0, 0.0
				if doc.IsOk {
					wantErrors, wantLatency = 0, 0.003
				}
				if doc.LatencySeconds != wantLatency {
					t.Errorf("LatencySeconds is %v, want %v", doc.LatencySeconds, wantLatency)
				}
				wantValues(t, reg, map[string]float64{
					"kubedns_probe_a_errors":                     wantErrors,
					"kubedns_probe_a_latency_ms":                 1 - wantErrors,
					"kubedns_probe_duration_seconds probe=a":     1 - wantErrors,
					"kubedns_probe_consecutive_failures probe=a": wantErrors,
					"kubedns_probe_results_total probe=a result=" + strings.ReplaceAll(tt.wantState, " ", "_"): 1,
				})
			})
		})
	}
}

func TestHourOfProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &script{rtt: 7 * time.Millisecond, reply: reply(dns.RcodeSuccess, 1)}
		s, reg := newServer(t, sidecar.Options{
			Targets:  []sidecar.Target{target(t, "a,127.0.0.1,a.test,5,A")},
			Exchange: server.exchange,
		})
		start := time.Now()
		stop := running(t, s)
		time.Sleep(time.Hour - time.Second)
		stop()

		asked := server.questions()
		if first := asked[0].Sub(start); first != 0 {
			t.Errorf("first question after %v, want it at once", first)
		}
		for i, at := range asked[1:] {
			if pause := at.Sub(asked[i]); pause != 5*time.Second {
				t.Fatalf("question %d came %v after the one before, want 5s", i+1, pause)
			}
		}
		if len(asked) != 720 {
			t.Errorf("%d questions in an hour, want 720", len(asked))
		}
		if errors := values(t, reg)["kubedns_probe_a_errors"]; errors != 0 {
			t.Errorf("%v errors", errors)
		}
	})
}

func TestSilenceIsFollowedByTheWholeInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &script{rtt: 2 * time.Second}
		s, _ := newServer(t, sidecar.Options{
			Targets:  []sidecar.Target{target(t, "a,127.0.0.1,a.test,5,A")},
			Exchange: server.exchange,
		})
		stop := running(t, s)
		time.Sleep(time.Minute)
		stop()
		asked := server.questions()
		if pause := asked[1].Sub(asked[0]); pause != 7*time.Second {
			t.Errorf("%v between two questions, want the timeout and the interval, 7s", pause)
		}
	})
}

func TestAnswerSlowerThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &script{rtt: 1500 * time.Millisecond, reply: reply(dns.RcodeSuccess, 1)}
		s, _ := newServer(t, sidecar.Options{
			Targets:  []sidecar.Target{target(t, "a,127.0.0.1,a.test,1,A")},
			Exchange: server.exchange,
		})
		stop := running(t, s)
		time.Sleep(time.Minute)
		stop()
		asked := server.questions()
		if pause := asked[1].Sub(asked[0]); pause != 1500*time.Millisecond {
			t.Errorf("%v between two questions, want the next at once, 1.5s", pause)
		}
	})
}

// One failure is enough, and so is one success. The document has the time since then.
func TestHealthOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &script{rtt: time.Millisecond, reply: reply(dns.RcodeServerFailure, 0, waiting("no data yet"))}
		s, reg := newServer(t, sidecar.Options{
			Targets:  []sidecar.Target{target(t, "a,127.0.0.1,a.test,5,A")},
			Exchange: server.exchange,
		})
		start := time.Now()
		status, doc := healthcheck(t, s, "a")
		if status != 503 || doc.IsOk || doc.State != "pending" || !strings.Contains(doc.Err, "no probe") {
			t.Errorf("before the first probe: %d %+v", status, doc)
		}
		stop := running(t, s)
		step := func(wantStatus int, wantState string, wantFailures int) document {
			t.Helper()
			time.Sleep(18 * time.Second)
			status, doc := healthcheck(t, s, "a")
			if status != wantStatus || doc.State != wantState || doc.FailuresInARow != wantFailures {
				t.Errorf("after %v: %d %+v, want %d, %q, %d failures", time.Since(start), status, doc, wantStatus, wantState,
					wantFailures)
			}
			return doc
		}
		for len(server.questions()) == 0 {
			time.Sleep(time.Millisecond)
		}
		// Looks and queries are 18 and 5 seconds apart and never coincide.
		step(200, "not ready", 4)

		server.set(time.Millisecond, reply(dns.RcodeSuccess, 1))
		good := step(200, "ok", 0)
		if again := step(200, "ok", 0); !again.Since.Equal(good.Since) {
			t.Errorf("Since moved from %v to %v while the state stayed", good.Since, again.Since)
		}

		server.questions()
		server.set(2*time.Second, nil)
		failed := step(503, "failed", 3)
		if asked := server.questions(); !failed.Since.Equal(asked[0].Add(2 * time.Second).Truncate(time.Millisecond)) {
			t.Errorf("failed since %v, want the end of the first failure after %v", failed.Since, asked[0])
		}

		server.set(time.Millisecond, reply(dns.RcodeSuccess, 1))
		step(200, "ok", 0)
		stop()
		wantValues(t, reg, map[string]float64{"kubedns_probe_consecutive_failures probe=a": 0})
	})
}

// An interrupted query is not a failure of the server.
func TestStopDuringAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &script{rtt: time.Hour}
		s, reg := newServer(t, sidecar.Options{
			Targets:  []sidecar.Target{target(t, "a,127.0.0.1,a.test,5,A")},
			Exchange: server.exchange,
		})
		stop := running(t, s)
		time.Sleep(6 * time.Second)
		before := time.Now()
		stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("stopping took %v", took)
		}
		if len(server.questions()) != 1 {
			t.Error("there was no question to interrupt")
		}
		wantValues(t, reg, map[string]float64{"kubedns_probe_a_errors": 0})
	})
}
