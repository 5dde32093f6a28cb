package kube_test

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	kruntime "k8s.io/apimachinery/pkg/runtime"
)

// A selection is the selector of a list or a watch.
type selection struct{ path, namespace, labels, fields string }

func (s selection) matches(o kruntime.Object) bool {
	m, _ := meta.Accessor(o)
	sel, err := labels.Parse(s.labels)
	if err != nil {
		panic(err)
	}
	return (s.namespace == "" || s.namespace == m.GetNamespace()) &&
		(s.fields == "" || s.fields == "metadata.name="+m.GetName()) &&
		sel.Matches(labels.Set(m.GetLabels()))
}

func (a *fakeAPI) selected(s selection) []kruntime.Object {
	items := []kruntime.Object{}
	for _, o := range a.held[s.path] {
		if s.matches(o) {
			items = append(items, o)
		}
	}
	slices.SortFunc(items, func(a, b kruntime.Object) int {
		return strings.Compare(objectKey(a).String(), objectKey(b).String())
	})
	return items
}

// splitPath splits the namespace and the name off a path.
func splitPath(p string) (path, namespace, name string) {
	before, after, ok := strings.Cut(p, "/namespaces/")
	if !ok {
		return p, "", ""
	}
	parts := strings.Split(after, "/")
	if len(parts) == 3 {
		name = parts[2]
	}
	return before + "/" + parts[1], parts[0], name
}
