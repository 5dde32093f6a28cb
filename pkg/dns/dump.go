package dns

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// Dump writes the zone as nested objects of names, the document served at /cache. It is for people
// and support bundles. It needs memory for the names of one namespace at a time, and stops when w
// fails or ctx is done.
//
// Compat: the shape is that of kube-dns. Records of a ClusterIP or headless Service are entries of
// its own node. An ExternalName is an entry of the namespace's node. SRV records are below their
// protocol and port.
func (z *Zone) Dump(ctx context.Context, w io.Writer) error {
	v, _ := z.answering()
	if v == nil {
		v = z.view
	}
	d := &dumper{ctx: ctx, w: bufio.NewWriterSize(w, 32<<10)}
	labels := strings.Split(strings.Trim(v.domain, "."), ".")
	d.openNode("")
	for _, label := range slices.Backward(labels) {
		d.openNode(label)
	}
	d.children(v.tree.Root())
	for range labels {
		d.entries()
		d.closeNode()
	}
	d.entries()
	d.closeNode()
	if d.err == nil {
		d.err = d.w.Flush()
	}
	return d.err
}

// A dumper writes JSON, indented by tabs. A node is an object of two objects: its child nodes, then
// its entries.
type dumper struct {
	ctx   context.Context
	w     *bufio.Writer
	err   error // the first one
	depth int
	empty bool // the open object is still empty
}

func (d *dumper) write(text string) {
	if d.err == nil {
		_, d.err = d.w.WriteString(text)
	}
}

// open starts an object, as the value of key unless that is empty.
func (d *dumper) open(key string) {
	d.key(key)
	d.write("{")
	d.depth++
	d.empty = true
}

func (d *dumper) close() {
	d.depth--
	if !d.empty {
		d.line()
	}
	d.write("}")
	d.empty = false
}

func (d *dumper) line() { d.write("\n" + strings.Repeat("\t", d.depth)) }

func (d *dumper) key(key string) {
	if d.depth == 0 {
		return
	}
	if !d.empty {
		d.write(",")
	}
	d.empty = false
	d.line()
	d.text(key)
	d.write(": ")
}

func (d *dumper) text(text string) {
	quoted, err := json.Marshal(text)
	if err != nil && d.err == nil {
		d.err = err
	}
	d.write(string(quoted))
}

func (d *dumper) number(key string, n int) {
	d.key(key)
	d.write(strconv.Itoa(n))
}

// openNode starts a node and its child nodes.
func (d *dumper) openNode(label string) {
	d.open(label)
	d.open("ChildNodes")
}

// entries closes the child nodes and starts the entries.
func (d *dumper) entries() {
	d.close()
	d.open("Entries")
}

func (d *dumper) closeNode() {
	d.close()
	d.close()
}

func (d *dumper) entry(label, host string, port uint16) {
	d.open(label)
	d.key("host")
	d.text(host)
	if port != 0 {
		d.number("port", int(port))
	}
	d.number("priority", srvPriority)
	d.number("weight", srvWeight)
	d.number("ttl", ttl)
	d.close()
}

// Compat: kube-dns has always shown these values, regardless of the replies.
const (
	srvPriority = 10
	srvWeight   = 10
)

// stopped reports whether to stop writing.
func (d *dumper) stopped() bool {
	if d.err == nil {
		d.err = d.ctx.Err()
	}
	return d.err != nil
}

// children writes the nodes below a node without a value.
func (d *dumper) children(n *treecache.Node[service]) {
	for label, node := range n.Children() {
		switch s := node.Value(); {
		case d.stopped():
			return
		case s == nil:
			d.openNode(label)
			d.children(node)
			d.entries()
			d.externals(node)
			d.closeNode()
		case !s.external:
			d.openNode(label)
			d.service(s)
			d.closeNode()
		}
	}
}

// externals writes the ExternalName Services one label below a node.
func (d *dumper) externals(n *treecache.Node[service]) {
	for label, node := range n.Children() {
		switch s := node.Value(); {
		case d.stopped():
			return
		case s == nil || !s.external:
		case s.alias() != "":
			d.entry(label, strings.TrimSuffix(s.alias(), "."), 0)
		default:
			d.entry(label, s.addrs.at(0).String(), 0)
		}
	}
}

// service writes the ports of a Service, by protocol, and its hosts.
func (d *dumper) service(s *service) {
	for i, p := range s.ports() {
		if d.stopped() {
			return
		}
		if i == 0 || s.ports()[i-1].Protocol != p.Protocol {
			d.openNode("_" + p.Protocol)
		}
		d.openNode("_" + p.Name)
		d.entries()
		d.targets(s, i)
		d.closeNode()
		if i+1 == len(s.ports()) || s.ports()[i+1].Protocol != p.Protocol {
			d.entries()
			d.closeNode()
		}
	}
	d.entries()
	names := s.members()
	for i := range names.count() {
		first, end := names.around(names.start(i))
		var addrs []string
		for j := first; j < end; j++ {
			if j == first || names.all[j].addr != names.all[j-1].addr {
				addrs = append(addrs, s.addrs.at(int(names.all[j].addr)).String())
			}
		}
		d.entry(string(names.appendLabel(nil, names.all[first])), strings.Join(addrs, ","), 0)
	}
}

// targets writes the SRV records of a port. A host has one entry, even if it has the port at two
// numbers.
func (d *dumper) targets(s *service, port int) {
	if s.oneTarget(port) {
		names := s.members()
		d.entry(string(names.appendLabel(nil, names.all[0])), s.owner, s.ports()[port].Number)
		return
	}
	var t backend.Target
	at, last := s.SeekTarget(port, 0), -1
	for range s.CountTargets(port) {
		if at = s.NextTarget(port, at, 0, &t); t.ID != last {
			d.entry(string(t.Label), string(t.Label)+"."+s.owner, t.Port)
		}
		last = t.ID
	}
}
