package dns

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// unreadyNames is the number of endpoints that an unready lists.
const unreadyNames = 10

// An unready describes the endpoints of a headless Service that are not ready, for people.
type unready struct {
	count int
	// some are the hostnames, else the addresses, of the first endpoints.
	some []string
}

// unreadyOf describes the endpoints that are not ready. It is nil if all are.
func unreadyOf(endpoints []*Endpoints) *unready {
	var u *unready
	for _, e := range endpoints {
		for i := range e.Subsets {
			for _, at := range e.Subsets[i].Endpoints {
				if at.Ready {
					continue
				}
				if u == nil {
					u = &unready{}
				}
				u.add(at)
			}
		}
	}
	return u
}

func (u *unready) add(at Endpoint) {
	u.count++
	switch {
	case len(u.some) == unreadyNames:
	case at.Hostname != "":
		u.some = append(u.some, at.Hostname)
	default:
		u.some = append(u.some, at.Addr.String())
	}
}

// has reports whether an endpoint of that name is listed.
func (u *unready) has(host string) bool {
	return u != nil && slices.Contains(u.some, host)
}

// String returns the number and the names, or "" if all are ready.
func (u *unready) String() string {
	if u == nil {
		return ""
	}
	more := ""
	if u.count > len(u.some) {
		more = ", ..."
	}
	return fmt.Sprintf("%d not ready: %s%s", u.count, strings.Join(u.some, ", "), more)
}

// A hiddenList holds the headless Services without records, because no endpoint is ready. Any
// goroutine may read it.
type hiddenList struct {
	mu   sync.Mutex
	list map[Key]*unready
}

// set records whether a Service is hidden, and its endpoints.
func (h *hiddenList) set(k Key, hidden bool, u *unready) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !hidden:
		delete(h.list, k)
	case h.list == nil:
		h.list = map[Key]*unready{k: u}
	default:
		h.list[k] = u
	}
}

// get returns the endpoints of a hidden Service, which can be nil.
func (h *hiddenList) get(k Key) (u *unready, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u, ok = h.list[k]
	return u, ok
}
