//go:build chaos

package e2e

import (
	"testing"
	"time"
)

// deadUpstreams stops the pod's upstreams, all of them or one of two.
func (c *chaos) deadUpstreams(t *testing.T) {
	for _, tt := range []struct {
		harm    string
		one     func(*farServer)
		two     func(*farServer)
		outside target
	}{
		{"all upstreams silent", (*farServer).silence, (*farServer).silence, neverWrong},
		{"all upstreams closed", (*farServer).close, (*farServer).close, neverWrong},
		{"one of two upstreams closed", (*farServer).close, nil, neverWrong},
		{"one of two upstreams silent", (*farServer).silence, nil, neverWrong},
		{"one of two upstreams replies SERVFAIL", (*farServer).fail, nil, neverWrong},
	} {
		t.Run(tt.harm, func(t *testing.T) {
			servers := make([]*farServer, 4) // two for each pod
			for i := range servers {
				servers[i] = startFarServer(t, "127.0.0.1:0", farDelay)
			}
			// The cache is empty: each name must be queried.
			p := c.startPod(t, podOptions{config: upstreams(servers[0], servers[1])})
			control := c.startPod(t, podOptions{config: upstreams(servers[2], servers[3])})
			harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 13*time.Second, func() {
				tt.one(servers[0])
				if tt.two != nil {
					tt.two(servers[1])
				}
			})
			c.record(t, row{
				harm: tt.harm, scope: "cluster", target: asControl,
				with: harmed.of(clusterClasses...), without: undisturbed.of(clusterClasses...),
			}, harmed, undisturbed)
			c.record(t, row{
				harm: tt.harm, scope: "outside", target: tt.outside,
				with: harmed.of(classOutside), without: undisturbed.of(classOutside),
			}, nil, nil)
		})
	}
}

func (s *farServer) silence() { s.set(silent) }
func (s *farServer) fail()    { s.set(servfails) }
