package upstreams

import (
	"bytes"
	"slices"
	"time"
)

// lingerTime is how long the line of a removed server stays in the servers file.
// dnsmasq drops the pending queries of a server when its line disappears; clients
// do not wait longer than this for a reply.
const lingerTime = 6 * time.Second

// A Rollout is the content of the servers file: the wanted servers, and after
// them for a while those that were removed. Values are copied, never changed in
// place.
type Rollout struct {
	Wanted  []Server
	Leaving []Leaver
	Content []byte   // of the file
	markers []Server // of the loop test
}

// A Leaver is the line of a removed server, which goes at a time.
type Leaver struct {
	line Server
	at   time.Time
}

// Begin returns the state of a dnsmasq that starts with list. Pending queries of
// the one before are lost, so no line has to stay for them.
func Begin(list, markers []Server) Rollout {
	r := Rollout{Wanted: list, markers: markers}
	r.Content = render(r.Lines())
	return r
}

// Offer returns the next state, for list at time now. Servers in dropped go at
// once.
func (r Rollout) Offer(list, markers []Server, dropped map[Server]bool, now time.Time) Rollout {
	next := Rollout{Wanted: list, markers: markers}
	listed := make(map[Server]bool, len(list))
	for _, s := range list {
		listed[s] = true
	}
	stay := func(l Leaver) {
		if !listed[l.line] && !dropped[l.line] && now.Before(l.at) {
			next.Leaving = append(next.Leaving, l)
		}
	}
	for _, s := range r.Wanted {
		stay(Leaver{line: s, at: now.Add(lingerTime)})
	}
	for _, l := range r.Leaving {
		stay(l)
	}
	next.Content = render(next.Lines())
	return next
}

// Lines returns all lines of the file, in order.
func (r Rollout) Lines() []Server {
	lines := slices.Clone(r.Wanted)
	for _, l := range r.Leaving {
		lines = append(lines, l.line)
	}
	return append(lines, r.markers...)
}

// Same reports whether a change from r to next is none for dnsmasq.
func (r Rollout) Same(next Rollout) bool { return bytes.Equal(r.Content, next.Content) }

// Due returns when the next server leaves; zero when none does.
func (r Rollout) Due() time.Time {
	var first time.Time
	for _, l := range r.Leaving {
		if first.IsZero() || l.at.Before(first) {
			first = l.at
		}
	}
	return first
}

// Marked returns r with more markers, so that servers can be tested that are not
// in use yet.
func (r Rollout) Marked(markers []Server) Rollout {
	for _, m := range markers {
		if !slices.Contains(r.markers, m) {
			r.markers = append(slices.Clip(r.markers), m)
		}
	}
	r.Content = render(r.Lines())
	return r
}
