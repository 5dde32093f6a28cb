package kube

import (
	"strconv"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A merge joins two accounts of the same endpoints: the watch of all, and the
// fetches of single Services of which the endpoints were dropped. Each may be
// ahead of the other, so the higher resourceVersion has the last word. It
// belongs to the writer.
type merge struct {
	// waiting are the Services to fetch, in their order; known has those and
	// the ones being fetched.
	waiting []kubedns.Key
	known   map[kubedns.Key]bool
	active  int // being fetched
	// round counts the complete lists. A fetch from before the last one is
	// repeated, since it may be older.
	round int
	// said is what the watch said last about an object while fetches were
	// active, of which some may be older.
	said map[kubedns.Key]word
	// ahead has the versions that a fetch brought before the watch did. What
	// the watch says of older ones is ignored; newest is the largest of them.
	ahead  map[kubedns.Key]uint64
	newest uint64
}

type word struct {
	version uint64
	dropped bool // without the addresses
}

func newMerge() *merge {
	return &merge{known: map[kubedns.Key]bool{}, said: map[kubedns.Key]word{}, ahead: map[kubedns.Key]uint64{}}
}

// want asks for a fetch, unless one is on its way.
func (m *merge) want(service kubedns.Key) {
	if !m.known[service] {
		m.known[service] = true
		m.waiting = append(m.waiting, service)
	}
}

// next returns the fetch that is due; begin says that it was handed over.
func (m *merge) next() (fetch, bool) {
	if len(m.waiting) == 0 {
		return fetch{}, false
	}
	return fetch{service: m.waiting[0], round: m.round}, true
}

func (m *merge) begin() {
	m.waiting = m.waiting[1:]
	m.active++
}

// restart: a complete list has come.
func (m *merge) restart() {
	m.round++
	clear(m.said)
	m.forgetAhead()
}

// heard takes note of a set or deleted object of the watch, and says whether it
// counts: not when a fetch has brought a later version.
func (m *merge) heard(e kubedns.Endpoints) bool {
	version := number(e.Version)
	if version < m.ahead[e.Key] {
		return false
	}
	delete(m.ahead, e.Key)
	if version >= m.newest {
		m.forgetAhead() // the watch has passed everything that was fetched
	}
	if m.active > 0 {
		m.said[e.Key] = word{version: version, dropped: e.Dropped}
	}
	return true
}

// end takes what a fetch has brought and returns the objects that count.
func (m *merge) end(f fetch) []kubedns.Endpoints {
	m.active--
	delete(m.known, f.service)
	if f.round != m.round || f.err != nil {
		m.want(f.service)
		f.found = nil
	}
	var later []kubedns.Endpoints
	for _, e := range f.found {
		version := number(e.Version)
		if last, ok := m.said[e.Key]; ok && version <= last.version {
			if last.dropped && version < last.version {
				m.want(f.service) // what counts was dropped after the fetch
			}
			if !last.dropped || version < last.version {
				continue
			}
		}
		m.ahead[e.Key] = version
		m.newest = max(m.newest, version)
		later = append(later, e)
	}
	if m.active == 0 {
		clear(m.said)
	}
	return later
}

func (m *merge) forgetAhead() {
	clear(m.ahead)
	m.newest = 0
}

// number is the value of a resourceVersion. Versions of one resource can be
// compared; one that is no number counts as the oldest.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
