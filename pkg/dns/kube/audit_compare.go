package kube

import (
	"fmt"
	"slices"
	"strings"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A question asks the writer to compare what it holds with what the server
// shows. It may change shown.
type question struct {
	kind   auditKind
	shown  map[kubedns.Key]kubedns.ObjectVersion
	answer chan answer // takes one without waiting
}

type answer struct {
	differences []difference
	ok          bool // false when endpoints come from another API by now
}

// A comparison is the result of one look.
type comparison struct {
	differences []difference
	// passed is how far the watch was, version the version of what the server
	// showed; 0 when it is no number.
	passed, version uint64
}

// A difference is an object that the server shows in one state and we hold in
// another. The zero value stands for an object that is not there.
type difference struct {
	key         kubedns.Key
	shown, held kubedns.ObjectVersion
}

// String says what differs, for people.
func (d difference) String() string {
	var absent kubedns.ObjectVersion
	switch {
	case d.held == absent:
		return fmt.Sprintf("%s: not held, the server has version %s", d.key, d.shown.Version)
	case d.shown == absent:
		return fmt.Sprintf("%s: held in version %s, the server has none", d.key, d.held.Version)
	case d.held.UID != d.shown.UID:
		return fmt.Sprintf("%s: held in version %s, the server has version %s of another object of that name", d.key, d.held.Version, d.shown.Version)
	}
	return fmt.Sprintf("%s: held in version %s, the server has version %s", d.key, d.held.Version, d.shown.Version)
}

// compare returns the differences between shown, which it empties, and held, in
// the order of their keys.
func compare(shown map[kubedns.Key]kubedns.ObjectVersion, held states) []difference {
	var found []difference
	for key, state := range held {
		if shown[key] != state {
			found = append(found, difference{key: key, shown: shown[key], held: state})
		}
		delete(shown, key)
	}
	for key, state := range shown {
		found = append(found, difference{key: key, shown: state})
	}
	slices.SortFunc(found, func(a, b difference) int { return strings.Compare(a.key.String(), b.key.String()) })
	return found
}

// lasting returns the differences of the first comparison that are the same in
// the second, and that the watch has passed by then. It reports unclear when
// there are others of which this cannot be said, or not yet.
func lasting(first, second comparison) (missed []difference, unclear bool) {
	before := make(map[difference]bool, len(first.differences))
	for _, d := range first.differences {
		before[d] = true
	}
	for _, d := range second.differences {
		if !before[d] {
			continue
		}
		// An object that is gone went before the first look.
		version := first.version
		if d.shown.Version != "" {
			version = number(d.shown.Version)
		}
		if version == 0 || second.passed < version {
			unclear = true
			continue
		}
		missed = append(missed, d)
	}
	return missed, unclear
}
