package dnsmasq

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestStopFinishesWhatIsTaken: queries pending when the stop starts are answered; later queries are
// refused.
func TestStopFinishesWhatIsTaken(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "--bind-interfaces"} {
		t.Run("args"+args, func(t *testing.T) {
			t.Parallel()
			slow := newSlowUpstream(t, "192.0.2.1", 50*time.Millisecond)
			r := startNanny(t, args, nil)
			r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, slow.Addr()))
			r.waitLog(1, answersLine)
			const queries = 20
			answers := make([]string, queries)
			var asking sync.WaitGroup
			for i := range queries {
				asking.Go(func() { answers[i] = r.answer(fmt.Sprintf("host%d.test.", i)) })
			}
			for i := range queries {
				r.wait("the queries to arrive", func() bool { return slow.count(fmt.Sprintf("host%d.test.", i)) > 0 })
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			asking.Wait()
			for i, got := range answers {
				if got != "192.0.2.1" {
					t.Errorf("query %d: %s, want an answer", i, got)
				}
			}
		})
	}
}
