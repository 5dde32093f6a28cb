package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A view holds the merged objects of all files.
type view struct {
	services       []kubedns.Service
	endpoints      []kubedns.Endpoints
	location       *kubedns.Location // of the first Node, by name, that has one
	nodes, ignored int
}

// merge merges all files, which are in name order. If two files declare an object, the later file
// counts, and the object is among the conflicts. An Endpoints object does not count if its Service
// has EndpointSlices: the two are never mixed.
func merge(files []*file) (v view, conflicts []string) {
	all := map[string]any{}
	from := map[string]string{} // the file that declared an object
	sliced := map[string]bool{} // Services that have slices, as the ids of Endpoints objects
	for _, f := range files {
		for id, o := range f.good.All {
			if first, twice := from[id]; twice {
				conflicts = append(conflicts, fmt.Sprintf("%s is declared in %s and in %s; %[3]s counts", id, first, f.path))
			}
			from[id], all[id] = f.path, o
			if e, ok := o.(*kubedns.Endpoints); ok && strings.HasPrefix(id, "EndpointSlice ") {
				sliced["Endpoints "+e.Namespace+"/"+e.Service] = true
			}
		}
		v.ignored += f.good.Ignored
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		switch o := all[id].(type) {
		case *kubedns.Service:
			v.services = append(v.services, *o)
		case *kubedns.Endpoints:
			if !sliced[id] {
				v.endpoints = append(v.endpoints, *o)
			}
		case *kubedns.Location:
			v.nodes++
			if v.location == nil {
				v.location = o
			}
		}
	}
	slices.Sort(conflicts)
	return v, conflicts
}
