package manifest

import (
	"fmt"
	"maps"
	"slices"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A content is what one file holds.
type content struct {
	file string
	Objects
}

// A view holds the objects that count, of all files. Values are
// shared with the files they came from and are never changed.
type view struct {
	services       map[kubedns.Key]*kubedns.Service
	endpoints      map[kubedns.Key]*kubedns.Endpoints
	location       *kubedns.Location // of the first Node, by name, that has one
	nodes, ignored int
}

// merge makes one view of all files, which are in name order: an object that
// is declared twice counts as the later file has it, and is among the conflicts. An
// Endpoints object does not count where its Service has EndpointSlices: the
// two are never mixed.
func merge(files []content) (v view, conflicts []string) {
	v = view{services: map[kubedns.Key]*kubedns.Service{}, endpoints: map[kubedns.Key]*kubedns.Endpoints{}}
	from := map[string]string{} // kind and key of an object: the file that declared it
	declare := func(file, kind, key string) {
		id := kind + " " + key
		if first, twice := from[id]; twice && first != file {
			conflicts = append(conflicts, fmt.Sprintf("%s is declared in %s and in %s; %s counts", id, first, file, file))
		}
		from[id] = file
	}
	sliced := map[kubedns.Key]bool{} // Services that have slices
	nodes := map[string]*kubedns.Location{}
	for _, f := range files {
		for _, s := range f.Services {
			declare(f.file, "Service", s.Key.String())
			v.services[s.Key] = s
		}
		for _, e := range f.Slices {
			declare(f.file, "EndpointSlice", e.Key.String())
			v.endpoints[e.Key] = e
			sliced[kubedns.Key{Namespace: e.Namespace, Name: e.Service}] = true
		}
		for _, n := range f.Nodes {
			declare(f.file, "Node", n.Name)
			nodes[n.Name] = n.Location
		}
		v.ignored += f.Ignored
	}
	for _, f := range files {
		for _, e := range f.Endpoints {
			declare(f.file, "Endpoints", e.Namespace+"/"+e.Service)
			if !sliced[kubedns.Key{Namespace: e.Namespace, Name: e.Service}] {
				v.endpoints[e.Key] = e
			}
		}
	}
	v.nodes, v.location = len(nodes), firstLocation(nodes)
	return v, conflicts
}

func firstLocation(nodes map[string]*kubedns.Location) *kubedns.Location {
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if nodes[name] != nil {
			return nodes[name]
		}
	}
	return nil
}

// apply makes z hold what v holds.
func (v view) apply(z *kubedns.Zone) {
	services := make([]kubedns.Service, 0, len(v.services))
	for _, s := range v.services {
		services = append(services, *s)
	}
	endpoints := make([]kubedns.Endpoints, 0, len(v.endpoints))
	for _, e := range v.endpoints {
		endpoints = append(endpoints, *e)
	}
	z.ReplaceServices(services)
	z.ReplaceEndpoints(endpoints)
	z.Publish()
}
