package upstreams

import (
	"bytes"
	"slices"
	"time"
)

// lingerTime is how long the line of a removed server remains in the servers file. dnsmasq drops
// the pending queries of a server when its line disappears. Clients do not wait longer than this
// for a reply.
const lingerTime = 6 * time.Second

// A Rollout is the content of the servers file: the wanted servers, followed by recently removed
// ones. Values are copied, never modified.
type Rollout struct {
	Wanted  []Server
	Leaving []Leaver
	Content []byte   // of the file
	markers []Server // of the loop test
}

// A Leaver is the line of a removed server, and the time at which it disappears.
type Leaver struct {
	line Server
	at   time.Time
}

// Begin returns the state of a dnsmasq that starts with list. Pending queries of the previous one
// are lost, so no line has to remain for them.
func Begin(list, markers []Server) Rollout {
	r := Rollout{Wanted: list, markers: markers}
	r.Content = render(r.Lines())
	return r
}

// Offer returns the next state, for list at time now. Servers in dropped disappear at once.
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

// Same reports whether dnsmasq sees no change from r to next.
func (r Rollout) Same(next Rollout) bool { return bytes.Equal(r.Content, next.Content) }

// Due returns when the next line disappears; zero if none does.
func (r Rollout) Due() time.Time {
	var first time.Time
	for _, l := range r.Leaving {
		if first.IsZero() || l.at.Before(first) {
			first = l.at
		}
	}
	return first
}

// Marked returns r with more markers, to test servers that are not in use yet.
func (r Rollout) Marked(markers []Server) Rollout {
	for _, m := range markers {
		if !slices.Contains(r.markers, m) {
			r.markers = append(slices.Clip(r.markers), m)
		}
	}
	r.Content = render(r.Lines())
	return r
}
