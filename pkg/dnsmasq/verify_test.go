package dnsmasq

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

func TestVerify(t *testing.T) {
	silent := errors.New("timeout")
	type reply struct {
		at   time.Duration // from then on
		list string
		err  error
	}
	tests := map[string]struct {
		want, gone string
		replies    []reply
		result     string
		missing    string
		left       string
		took       time.Duration
	}{
		"there at once": {"192.0.2.1 192.0.2.2", "", []reply{{0, "192.0.2.1 192.0.2.2 192.0.2.3", nil}},
			resultConfirmed, "", "", verifyPause},
		"there after a while": {"192.0.2.1", "192.0.2.3", []reply{{0, "192.0.2.3", nil}, {time.Second, "192.0.2.1", nil}},
			resultConfirmed, "", "", time.Second},
		"nothing is wanted": {"", "", []reply{{0, "", nil}}, resultConfirmed, "", "", verifyPause},
		"one is missing": {"192.0.2.1 192.0.2.2", "", []reply{{0, "192.0.2.1", nil}}, resultDifferent, "192.0.2.2",
			"", verifyTime},
		"one is left": {"192.0.2.1", "192.0.2.2", []reply{{0, "192.0.2.1 192.0.2.2", nil}}, resultDifferent, "",
			"192.0.2.2", verifyTime},
		"scopes do not matter": {"fe80::1%eth0", "", []reply{{0, "fe80::1%2", nil}}, resultConfirmed, "", "", verifyPause},
		"no answer":            {"192.0.2.1", "", []reply{{0, "", silent}}, resultUnconfirmed, "", "", verifyTime},
		"an answer in the end": {"192.0.2.1", "", []reply{{0, "", silent}, {time.Second, "192.0.2.1", nil}},
			resultConfirmed, "", "", time.Second},
		"a refusal": {"192.0.2.1", "", []reply{{0, "", &chaos.ReplyError{Rcode: dns.RcodeNotImplemented}}},
			resultUnconfirmed, "", "", verifyPause},
		"another port is another": {"192.0.2.1#54", "", []reply{{0, "192.0.2.1", nil}}, resultDifferent, "192.0.2.1#54", "",
			verifyTime},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				query := func(context.Context) ([]chaos.Server, error) {
					i := len(tt.replies) - 1
					for tt.replies[i].at > time.Since(start) {
						i--
					}
					list := []chaos.Server{}
					for _, a := range upstreams.Addresses(servers(t, tt.replies[i].list)) {
						list = append(list, chaos.Server{Address: a})
					}
					return list, tt.replies[i].err
				}
				got := verify(t.Context(), query, upstreams.Addresses(servers(t, tt.want)),
					upstreams.Addresses(servers(t, tt.gone)))
				if got.result() != tt.result {
					t.Errorf("result %v, want %v", got.result(), tt.result)
				}
				if want := upstreams.Addresses(servers(t, tt.missing)); !slices.Equal(got.missing, want) {
					t.Errorf("missing %v, want %v", got.missing, want)
				}
				if want := upstreams.Addresses(servers(t, tt.left)); !slices.Equal(got.left, want) {
					t.Errorf("left %v, want %v", got.left, want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// TestVerifyCutOff: a query cut off by the end of the time does not hide the previous reply.
func TestVerifyCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		query := func(ctx context.Context) ([]chaos.Server, error) {
			if time.Since(start) < verifyTime-verifyPause {
				return []chaos.Server{}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if got := verify(t.Context(), query, upstreams.Addresses(servers(t, "192.0.2.1")),
			nil); got.result() != resultDifferent {
			t.Errorf("result %v, want different", got.result())
		}
	})
}

func TestVerifyStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		query := func(context.Context) ([]chaos.Server, error) { return nil, nil }
		verify(ctx, query, upstreams.Addresses(servers(t, "192.0.2.1")), nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v after its context ended at 1s", took)
		}
	})
}
