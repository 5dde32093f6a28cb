package dnsmasq

import (
	"bytes"
	"slices"
	"time"
)

// lingerTime is how long the line of a removed server stays in the servers file.
// dnsmasq drops the pending queries of a server when its line disappears; clients
// do not wait longer than this for a reply.
const lingerTime = 6 * time.Second

// A rollout is the content of the servers file: the wanted servers, and after
// them for a while those that were removed. Values are copied, never changed in
// place.
type rollout struct {
	wanted  []Server
	markers []Server // of the loop test
	leaving []leaver
	content []byte // of the file
}

// A leaver is the line of a removed server, which goes at a time.
type leaver struct {
	line Server
	at   time.Time
}

// begin returns the state of a dnsmasq that starts with list. Pending queries of
// the one before are lost, so no line has to stay for them.
func begin(list, markers []Server) rollout {
	r := rollout{wanted: list, markers: markers}
	r.content = render(r.lines())
	return r
}

// offer returns the next state, for list at time now. Servers in dropped go at
// once.
func (r rollout) offer(list, markers []Server, dropped map[Server]bool, now time.Time) rollout {
	next := rollout{wanted: list, markers: markers}
	listed := make(map[Server]bool, len(list))
	for _, s := range list {
		listed[s] = true
	}
	stay := func(l leaver) {
		if !listed[l.line] && !dropped[l.line] && now.Before(l.at) {
			next.leaving = append(next.leaving, l)
		}
	}
	for _, s := range r.wanted {
		stay(leaver{line: s, at: now.Add(lingerTime)})
	}
	for _, l := range r.leaving {
		stay(l)
	}
	next.content = render(next.lines())
	return next
}

// lines returns all lines of the file, in order.
func (r rollout) lines() []Server {
	lines := slices.Clone(r.wanted)
	for _, l := range r.leaving {
		lines = append(lines, l.line)
	}
	return append(lines, r.markers...)
}

// same reports whether a change from r to next is none for dnsmasq.
func (r rollout) same(next rollout) bool { return bytes.Equal(r.content, next.content) }

// due returns when the next server leaves; zero when none does.
func (r rollout) due() time.Time {
	var first time.Time
	for _, l := range r.leaving {
		if first.IsZero() || l.at.Before(first) {
			first = l.at
		}
	}
	return first
}
