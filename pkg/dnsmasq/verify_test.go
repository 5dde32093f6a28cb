package dnsmasq

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestVerify(t *testing.T) {
	silent := errors.New("timeout")
	type reply struct {
		at   time.Duration // from then on
		list string
		err  error
	}
	tests := map[string]struct {
		want, fresh string
		replies     []reply
		verdict     verdict
		missing     string
		took        time.Duration
	}{
		"there at once":           {"192.0.2.1 192.0.2.2", "192.0.2.2", []reply{{0, "192.0.2.1 192.0.2.2 192.0.2.3", nil}}, confirmed, "", alarmTime},
		"there after a while":     {"192.0.2.1", "192.0.2.1", []reply{{0, "192.0.2.3", nil}, {time.Second, "192.0.2.1", nil}}, confirmed, "", time.Second},
		"nothing is wanted":       {"", "", []reply{{0, "", nil}}, confirmed, "", alarmTime},
		"none of the new":         {"192.0.2.1 192.0.2.2", "192.0.2.2", []reply{{0, "192.0.2.1", nil}}, absent, "192.0.2.2", verifyTime},
		"one of two new":          {"192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2", []reply{{0, "192.0.2.1", nil}}, unconfirmed, "192.0.2.2", verifyTime},
		"an old one is missing":   {"192.0.2.1 192.0.2.2", "", []reply{{0, "192.0.2.1", nil}}, unconfirmed, "192.0.2.2", verifyTime},
		"scopes do not matter":    {"fe80::1%eth0", "fe80::1%eth0", []reply{{0, "fe80::1%2", nil}}, confirmed, "", alarmTime},
		"no answer":               {"192.0.2.1", "192.0.2.1", []reply{{0, "", silent}}, unconfirmed, "192.0.2.1", verifyTime},
		"an answer in the end":    {"192.0.2.1", "192.0.2.1", []reply{{0, "", silent}, {time.Second, "192.0.2.1", nil}}, confirmed, "", time.Second},
		"it does not say":         {"192.0.2.1", "192.0.2.1", []reply{{0, "", &ReplyError{Rcode: dns.RcodeNotImplemented}}}, unconfirmed, "192.0.2.1", alarmTime},
		"another port is another": {"192.0.2.1#54", "192.0.2.1#54", []reply{{0, "192.0.2.1", nil}}, absent, "192.0.2.1#54", verifyTime},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				query := func(context.Context) ([]ServerStats, error) {
					i := len(tt.replies) - 1
					for tt.replies[i].at > time.Since(start) {
						i--
					}
					list := []ServerStats{}
					for _, a := range addresses(servers(t, tt.replies[i].list)) {
						list = append(list, ServerStats{Address: a})
					}
					return list, tt.replies[i].err
				}
				got := verify(t.Context(), query, addresses(servers(t, tt.want)), addresses(servers(t, tt.fresh)))
				if got.verdict != tt.verdict {
					t.Errorf("verdict %v, want %v", got.verdict, tt.verdict)
				}
				if want := addresses(servers(t, tt.missing)); !slices.Equal(got.missing, want) {
					t.Errorf("missing %v, want %v", got.missing, want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// TestVerifyCutOff: a question that is cut off by the end of the time does not
// hide what was answered before.
func TestVerifyCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		query := func(ctx context.Context) ([]ServerStats, error) {
			if time.Since(start) < verifyTime-verifyPause {
				return []ServerStats{}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		want := addresses(servers(t, "192.0.2.1"))
		if got := verify(t.Context(), query, want, want); got.verdict != absent {
			t.Errorf("verdict %v, want absent", got.verdict)
		}
	})
}

func TestVerifyStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		query := func(context.Context) ([]ServerStats, error) { return nil, nil }
		want := addresses(servers(t, "192.0.2.1"))
		verify(ctx, query, want, want)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v after its context ended at 1s", took)
		}
	})
}
