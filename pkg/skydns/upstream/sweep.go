package upstream

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"time"
)

// sweep handles everything that is due: the next servers, waiters out of time, tries without a
// reply, idle sockets.
func (m *mux) sweep() {
	m.mu.Lock()
	now := time.Now()
	var hops []hop
	for p := range m.live {
		hops = append(hops, m.tick(p, now)...)
	}
	for l := range m.links.open {
		for _, t := range l.tries {
			if t.of.over && now.Sub(t.sent) > exchangeTimeout {
				m.drop(t)
			}
		}
		if now.Sub(l.made) >= maxLinkAge && !l.retired {
			m.links.retire(l)
		}
	}
	m.health.forget(now)
	m.sweeper.stop() // another sweep may have become due
	for p := range m.live {
		m.sweeper.watch(p, now)
	}
	if len(m.links.open) > 0 {
		m.sweeper.wake(now.Add(linkStep), now)
	}
	m.mu.Unlock()
	m.do(hops)
}

// tick queries the next server of a query when it is due, and completes waiters out of time.
func (m *mux) tick(p *pending, now time.Time) []hop {
	var late []waiter
	p.waiters = slices.DeleteFunc(p.waiters, func(w waiter) bool {
		if now.Before(w.until) {
			return false
		}
		late = append(late, w)
		return true
	})
	last := p.plan.last
	gaveUp := last != nil && p.nextAt.IsZero() && now.Sub(p.sent) > tryTimeout
	if len(p.waiters) == 0 || gaveUp {
		for _, t := range p.tries {
			m.note(t)
		}
		p.waiters = append(p.waiters, late...)
		if last != nil {
			return m.finish(p, last, nil)
		}
		return m.finish(p, nil, timedOut(p))
	}
	var hops []hop
	if len(late) > 0 {
		hops = append(hops, hop{waiters: late, reply: bytes.Clone(last)})
		if last == nil {
			hops[0].err = timedOut(p)
		}
	}
	if !p.nextAt.IsZero() && !now.Before(p.nextAt) {
		for _, t := range p.tries {
			m.note(t)
		}
		hops = append(hops, m.next(p, now)...)
	}
	return hops
}

// note counts a try without a reply before the next one, once.
func (m *mux) note(t *try) {
	if !t.late {
		m.health.silent(t.link.server)
	}
	t.late = true
	t.of.plan.failed(t.server, os.ErrDeadlineExceeded)
}

func timedOut(p *pending) error {
	if p.plan.err != nil {
		return p.plan.err
	}
	return errors.Join(errNoAnswer, os.ErrDeadlineExceeded)
}
