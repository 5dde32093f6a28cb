package dns_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/dns"
)

func dumped(t *testing.T, z *dns.Zone) string {
	t.Helper()
	var doc strings.Builder
	if err := z.Dump(t.Context(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.String()
}

type dumpNode struct {
	ChildNodes map[string]*dumpNode
	Entries    map[string]map[string]any
}

func TestDump(t *testing.T) {
	z := newZone()
	z.SetService(clusterIP("ns/web", "10.0.0.1"))
	z.SetService(dns.Service{Key: key("ns/ext"), ExternalName: "a.example"})
	z.SetService(dns.Service{Key: key("ns/num"), ExternalName: "192.0.2.1"})
	z.SetService(headless("ns/set"))
	z.SetEndpoints(slice("ns/set-1", "set", "10.1.0.1=a", "10.1.0.2=a"))
	z.Publish()
	doc := dumped(t, z)
	var top dumpNode
	if err := json.Unmarshal([]byte(doc), &top); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	node := func(labels ...string) *dumpNode {
		at := &top
		for _, label := range labels {
			if at = at.ChildNodes[label]; at == nil {
				t.Fatalf("%s of %v is missing in\n%s", label, labels, doc)
			}
		}
		return at
	}
	entry := func(host string, port int) map[string]any {
		e := map[string]any{"host": host, "priority": 10.0, "weight": 10.0, "ttl": 30.0}
		if port > 0 {
			e["port"] = float64(port)
		}
		return e
	}
	ns := []string{"local", "cluster", "svc", "ns"}
	for _, tt := range []struct {
		at   []string
		want map[string]map[string]any
	}{
		{[]string{"local"}, map[string]map[string]any{}},
		{ns, map[string]map[string]any{"ext": entry("a.example", 0), "num": entry("192.0.2.1", 0)}},
		{append(ns, "set"), map[string]map[string]any{"a": entry("10.1.0.1,10.1.0.2", 0)}},
		{append(ns, "set", "_tcp", "_http"), map[string]map[string]any{"a": entry("a.set.ns.svc.cluster.local.", 8080)}},
	} {
		if diff := cmp.Diff(tt.want, node(tt.at...).Entries); diff != "" {
			t.Errorf("%v: want -, got +:\n%s", tt.at, diff)
		}
	}
	for _, e := range node(append(ns, "web", "_tcp", "_http")...).Entries {
		if e["host"] != "web.ns.svc.cluster.local." {
			t.Errorf("the port of a ClusterIP has the host %v", e["host"])
		}
	}
	if strings.Contains(doc, "null") {
		t.Errorf("null in\n%s", doc)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(doc), "", "\t"); err != nil || indented.String() != doc {
		t.Errorf("not indented by tabs: %v\n%s", err, doc)
	}
}

// A zone of any size is written with little memory.
func TestDumpIsStreamed(t *testing.T) {
	z := newZone()
	large(z, 2000, 1000)
	var before, most runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var size, writes int
	err := z.Dump(t.Context(), writerFunc(func(p []byte) (int, error) {
		if writes++; writes%20 == 0 {
			runtime.GC()
			var now runtime.MemStats
			if runtime.ReadMemStats(&now); now.HeapAlloc > most.HeapAlloc {
				most = now
			}
		}
		size += len(p)
		return len(p), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	// The dump creates and keeps the members of headless Services.
	const members = 1000 * 50 * 16
	if grown := int(most.HeapAlloc) - int(before.HeapAlloc) - 2*members; grown > 2<<20 || size < 20<<20 {
		t.Errorf("%d bytes were written, and the heap grew by %d", size, grown)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDumpStops(t *testing.T) {
	z := newZone()
	for i := range 5000 {
		z.SetService(clusterIP(fmt.Sprintf("ns/web-%d", i), "10.0.0.1"))
	}
	z.Publish()
	gone, writes := errors.New("gone"), 0
	err := z.Dump(t.Context(), writerFunc(func([]byte) (int, error) { writes++; return 0, gone }))
	if !errors.Is(err, gone) || writes != 1 {
		t.Errorf("after an error: %v, %d writes", err, writes)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := z.Dump(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}
