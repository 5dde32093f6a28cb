package kube

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// states are the held objects of one kind.
type states = iter.Seq2[kubedns.Key, kubedns.ObjectVersion]

// A metadataLister is a listwatch.Resource of any type.
type metadataLister interface {
	Metadata(ctx context.Context, version string, each func(metav1.ObjectMeta)) (string, error)
}

// show returns the states of a resource's objects on the server, and the version of that list; 0 if
// it is not a number.
func show(
	ctx context.Context, r metadataLister, version string,
) (shown map[kubedns.Key]kubedns.ObjectVersion, at uint64, err error) {
	shown = map[kubedns.Key]kubedns.ObjectVersion{}
	list, err := r.Metadata(ctx, version, func(m metav1.ObjectMeta) {
		shown[kubedns.Key{Namespace: m.Namespace, Name: m.Name}] = kubedns.ObjectVersion{
			UID: string(m.UID), Version: m.ResourceVersion,
		}
	})
	return shown, listwatch.Number(list), err
}

// A comparison is the result of one look.
type comparison struct {
	differences []difference
	// passed is the version that the watch has reached, version that of the server's list; 0 if it
	// is not a number.
	passed, version uint64
}

// A difference is an object with one state on the server and another one here. The zero state is
// that of a missing object.
type difference struct {
	key         kubedns.Key
	shown, held kubedns.ObjectVersion
}

// String describes the difference.
func (d difference) String() string {
	var absent kubedns.ObjectVersion
	switch {
	case d.held == absent:
		return fmt.Sprintf("%s: not held, the server has version %s", d.key, d.shown.Version)
	case d.shown == absent:
		return fmt.Sprintf("%s: held in version %s, the server has none", d.key, d.held.Version)
	case d.held.UID != d.shown.UID:
		return fmt.Sprintf("%s: held in version %s, the server has version %s of another object of that name", d.key,
			d.held.Version, d.shown.Version)
	}
	return fmt.Sprintf("%s: held in version %s, the server has version %s", d.key, d.held.Version, d.shown.Version)
}

// compare returns the differences between shown, which it empties, and held, in key order.
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

// lasting returns the differences of the first comparison that recur in the second and that the
// watch has passed by then. It reports unclear if this is not certain yet for another difference.
func lasting(first, second comparison) (missed []difference, unclear bool) {
	before := make(map[difference]bool, len(first.differences))
	for _, d := range first.differences {
		before[d] = true
	}
	for _, d := range second.differences {
		if !before[d] {
			continue
		}
		// A missing object was deleted before the first look.
		version := first.version
		if d.shown.Version != "" {
			version = listwatch.Number(d.shown.Version)
		}
		if version == 0 || second.passed < version {
			unclear = true
			continue
		}
		missed = append(missed, d)
	}
	return missed, unclear
}
