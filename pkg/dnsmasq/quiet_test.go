package dnsmasq

import (
	"fmt"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// An event without a change costs nothing, for any number of servers.
func TestEventWithoutChange(t *testing.T) {
	var list []upstreams.Server
	for i := range 5000 {
		list = append(list, servers(t, fmt.Sprintf("/d%d.test/192.0.2.1", i))...)
	}
	s := &supervisor{
		configured: true, fileWay: true, opts: Options{Restart: true}, log: testLog(t), wake: time.NewTimer(time.Hour),
		want: &desired{list: list},
		life: &lifecycle{child: &child{ready: true}},
		file: &serversFile{roll: upstreams.Begin(list, nil)},
	}
	defer s.wake.Stop()
	now := time.Now()
	allocs := testing.AllocsPerRun(10, func() {
		if err := s.act(t.Context(), now); err != nil {
			t.Error(err)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations, want none", allocs)
	}
}
