package dns

import (
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// Dump is the zone as nested objects of names, the document behind /cache. It
// is meant for people and support bundles.
//
// Compat: the shape is that of kube-dns: the records of a ClusterIP or headless
// Service are entries of its own node, an ExternalName is an entry of the
// namespace's node, and SRV records stand below their protocol and port.
func (z *Zone) Dump() ([]byte, error) {
	if answering := z.answering(); answering != nil {
		z = answering
	}
	top := &dumpNode{}
	at := top
	for labels := strings.Split(strings.Trim(z.domain, "."), "."); len(labels) > 0; labels = labels[:len(labels)-1] {
		at = at.child(labels[len(labels)-1])
	}
	dumpTree(z.tree.Root(), at)
	return json.MarshalIndent(top, "", "\t")
}

type dumpNode struct {
	ChildNodes map[string]*dumpNode  `json:"ChildNodes"`
	Entries    map[string]*dumpEntry `json:"Entries"`
}

type dumpEntry struct {
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Priority int    `json:"priority,omitempty"`
	Weight   int    `json:"weight,omitempty"`
	TTL      uint32 `json:"ttl,omitempty"`
}

func (n *dumpNode) child(label string) *dumpNode {
	if n.ChildNodes == nil {
		n.ChildNodes = map[string]*dumpNode{}
	}
	if n.ChildNodes[label] == nil {
		n.ChildNodes[label] = &dumpNode{}
	}
	return n.ChildNodes[label]
}

func (n *dumpNode) entry(label, host string, port uint16) {
	if n.Entries == nil {
		n.Entries = map[string]*dumpEntry{}
	}
	n.Entries[label] = &dumpEntry{Host: host, Port: int(port), Priority: 10, Weight: 10, TTL: ttl}
}

func dumpTree(from *treecache.Node[service], to *dumpNode) {
	for label, node := range from.Children() {
		s := node.Value()
		switch {
		case s == nil:
			dumpTree(node, to.child(label))
		case s.alias() != "":
			to.entry(label, strings.TrimSuffix(s.alias(), "."), 0)
		case s.external:
			to.entry(label, s.addr(0).String(), 0)
		default:
			s.dump(to.child(label))
		}
	}
}

func (s *service) dump(to *dumpNode) {
	hosts := s.hosts()
	for i := range hosts.count() {
		first, end := hostAround(hosts.all, hosts.start(i))
		to.entry(s.label(hosts.all[first]), joinAddrs(s.addrsOf(hosts.all[first:end])), 0)
	}
	var t skydns.Target
	for i, p := range s.ports {
		at := to.child("_" + p.Protocol).child("_" + p.Name)
		if !s.headless {
			at.entry(s.label(s.members()[0]), strings.TrimSuffix(s.owner, "."), p.Number)
			continue
		}
		for n, next := 0, s.SeekTarget(i, 0); n < s.CountTargets(i); n++ {
			next = s.NextTarget(i, next, 0, &t)
			at.entry(string(t.Label), string(t.Label)+"."+strings.TrimSuffix(s.owner, "."), t.Port)
		}
	}
}

func joinAddrs(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ",")
}

var _ skydns.Backend = (*Zone)(nil)
