package conformance_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// A fakeTarget answers addresses of Services, from a Resolver of its own, and
// records its calls.
type fakeTarget struct {
	server   *conformance.Resolver
	services map[conformance.Ref]string // to their ClusterIPs
	given    map[netip.Addr]netip.Addr
	calls    []string
}

func newFakeTarget(t *testing.T) *fakeTarget {
	return &fakeTarget{server: startResolver(t), services: map[conformance.Ref]string{}}
}

func (f *fakeTarget) Server() string { return f.server.Addr().String() }

func (f *fakeTarget) Configure(_ context.Context, files map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(files)) {
		f.calls = append(f.calls, "configure "+key+"="+files[key])
	}
	if len(files) == 0 {
		f.calls = append(f.calls, "configure nothing")
	}
	return nil
}

func (f *fakeTarget) Change(_ context.Context, apply []conformance.Object,
	del []conformance.Ref) (map[netip.Addr]netip.Addr, error) {
	for _, object := range apply {
		f.calls = append(f.calls, "apply "+object.Ref().String())
		if object.Ref().Kind == "Service" {
			f.services[object.Ref()] = fmt.Sprint(object["spec"].(map[string]any)["clusterIP"])
		}
	}
	for _, ref := range del {
		f.calls = append(f.calls, "delete "+ref.String())
		delete(f.services, ref)
	}
	var data conformance.ResolverData
	for ref, ip := range f.services {
		if given, ok := f.given[netip.MustParseAddr(ip)]; ok {
			ip = given.String()
		}
		data.Records = append(data.Records,
			fmt.Sprintf("%s.%s.svc.cluster.local. 30 IN A %s", ref.Name, ref.Namespace, ip))
	}
	return f.given, f.server.Set(data)
}

const story = `
objects:
  - {kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.5}}
  - {kind: Endpoints, metadata: {name: web, namespace: shop}, subsets: [{addresses: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]}]}
queries:
  - {query: web.shop.svc.cluster.local A, rcode: NOERROR, answer: [web.shop.svc.cluster.local A 10.96.0.5]}
steps:
  - step: same configuration
    config: {upstreamNameservers: '["{resolver}"]'}
    apply: [{kind: Endpoints, metadata: {name: web, namespace: shop}, subsets: [{addresses: [{ip: 'fd00::1'}]}]}]
  - step: other configuration, fewer objects
    config: {federations: ''}
    delete: [{kind: Service, namespace: shop, name: web}]
    queries:
      - {id: gone, query: web.shop.svc.cluster.local A, rcode: NXDOMAIN, answer: []}
  - step: no configuration
    config: {}
`

func file(t *testing.T, name, text string) conformance.File {
	t.Helper()
	f, err := conformance.Parse(name, []byte(text), conformance.Zone)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A Target receives these calls in this order.
func TestSuiteRun(t *testing.T) {
	const endpoints, v4, v6 = "Endpoints shop/web", "EndpointSlice shop/web-0-v4-0", "EndpointSlice shop/web-0-v6-0"
	cases := []struct {
		name                 string
		mode                 conformance.EndpointsMode
		start, second, clean []string
	}{
		{"endpoints", conformance.EndpointsAsIs, []string{"apply " + endpoints}, []string{"apply " + endpoints},
			[]string{"delete " + endpoints}},
		{"slices", conformance.EndpointsAsSlices,
			[]string{"apply " + v4, "apply " + v6},
			[]string{"apply " + v6, "delete " + v4},
			[]string{"delete " + v6}},
		{"both", conformance.EndpointsAndSlices,
			[]string{"apply " + endpoints, "apply " + v4, "apply " + v6},
			[]string{"apply " + endpoints, "apply " + v6, "delete " + v4},
			[]string{"delete " + v6, "delete " + endpoints}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			target, resolver := newFakeTarget(t), startResolver(t)
			suite := &conformance.Suite{Target: target, Resolver: resolver, Endpoints: c.mode}
			suite.Run(t, []conformance.File{file(t, "story", story)})
			standard := fmt.Sprintf(`configure upstreamNameservers=["%s"]`, resolver.Addr())
			want := slices.Concat(
				[]string{standard, "apply Service shop/web"}, c.start, c.second,
				[]string{"configure federations=", "delete Service shop/web", "configure nothing", standard}, c.clean,
			)
			if diff := cmp.Diff(want, target.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// Endpoints of a Service with its own slices do not change.
func TestSuiteKeepsSlices(t *testing.T) {
	text := `
objects:
  - {kind: Endpoints, metadata: {name: web, namespace: shop}, subsets: [{addresses: [{ip: 10.1.0.1}]}]}
  - {kind: EndpointSlice, metadata: {name: web-x, namespace: shop, labels: {kubernetes.io/service-name: web}}}
`
	target := newFakeTarget(t)
	suite := &conformance.Suite{Target: target, Resolver: startResolver(t),
		Endpoints: conformance.EndpointsAsSlices}
	suite.Run(t, []conformance.File{file(t, "slices", text)})
	want := []string{
		"apply Endpoints shop/web", "apply EndpointSlice shop/web-x",
		"delete EndpointSlice shop/web-x", "delete Endpoints shop/web",
	}
	if diff := cmp.Diff(want, target.calls[1:]); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// An address from the API replaces the declared ClusterIP.
func TestSuiteGivenClusterIP(t *testing.T) {
	target := newFakeTarget(t)
	target.given = map[netip.Addr]netip.Addr{netip.MustParseAddr("10.96.0.5"): netip.MustParseAddr("10.0.0.7")}
	suite := &conformance.Suite{Target: target, Resolver: startResolver(t)}
	suite.Run(t, []conformance.File{file(t, "story", story)})
}

func TestSuiteSkips(t *testing.T) {
	target := newFakeTarget(t)
	asked := 0
	suite := &conformance.Suite{
		Target: target, Resolver: startResolver(t), Features: []string{conformance.FeatureEndpointSlices},
		Skip: func(_ conformance.File, r conformance.Result) string {
			if r.Query.ID == "not here" {
				return "not here"
			}
			asked++
			return ""
		},
	}
	wrong := `queries: [{id: not here, query: a.example A, rcode: REFUSED}, {query: a.example A, rcode: NXDOMAIN}]`
	suite.Run(t, []conformance.File{
		file(t, "dual", "requires: [dualstack]\nqueries: [{query: a.example A, rcode: REFUSED}]"),
		file(t, "slices", "requires: [endpointslices]\n"+wrong),
	})
	if asked != 1 {
		t.Errorf("asked %d questions, want 1", asked)
	}
}

// A server may need a moment; each question is repeated until the reply is right.
func TestSuiteAsksAgain(t *testing.T) {
	var asked atomic.Int32
	server := rawServer(t, func(request []byte, _ bool) []byte {
		if asked.Add(1) < 3 {
			return message{rcode: 3}.wire(t, request)
		}
		return message{answer: []string{one}}.wire(t, request)
	})
	suite := &conformance.Suite{
		Target: rawTarget(server), Resolver: startResolver(t),
	}
	suite.Run(t, []conformance.File{file(t, "late",
		"queries: [{query: web.shop.svc.cluster.local A, rcode: NOERROR, answer: ["+wantOne+"]}]")})
	if got := asked.Load(); got != 3 {
		t.Errorf("asked %d times, want 3", got)
	}
}

// A rawTarget has nothing to set up.
type rawTarget string

func (r rawTarget) Server() string { return string(r) }

func (rawTarget) Configure(context.Context, map[string]string) error { return nil }

func (rawTarget) Change(context.Context, []conformance.Object, []conformance.Ref) (map[netip.Addr]netip.Addr, error) {
	return nil, nil
}

// TestSuiteReports runs TestWrong in a process of its own, since a failing
// subtest would fail this one.
func TestSuiteReports(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWrong$")
	cmd.Env = append(os.Environ(), "CONFORMANCE_TEST_WRONG=1")
	output, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("wrong replies do not fail the test")
	}
	for _, want := range []string{
		"TestWrong/wrong/start/first/web.shop.svc.cluster.local/A",
		"rcode: got NXDOMAIN, want NOERROR",
		"want web.shop.svc.cluster.local. 30 IN A 10.0.0.1",
		"answer_min: 1",
		"Upstream replies otherwise: because.",
		";web.shop.svc.cluster.local.\tIN\t A",
		"resolver.test.\t60\tIN\tSOA",
	} {
		if !strings.Contains(string(output), want) {
			t.Errorf("output lacks %q:\n%s", want, output)
		}
	}
	if strings.Contains(string(output), "start/second") {
		t.Errorf("a right reply is reported:\n%s", output)
	}
}

func TestWrong(t *testing.T) {
	if os.Getenv("CONFORMANCE_TEST_WRONG") == "" {
		t.Skip("it fails on purpose, for TestSuiteReports")
	}
	suite := &conformance.Suite{Target: newFakeTarget(t), Resolver: startResolver(t),
		Patience: time.Nanosecond}
	suite.Run(t, []conformance.File{file(t, "wrong", `
queries:
  - {id: first, query: web.shop.svc.cluster.local A, rcode: NOERROR, answer_min: 1, answer: [`+wantOne+`],
     upstream: differs, reason: because}
  - {id: second, query: web.shop.svc.cluster.local A, rcode: NXDOMAIN}
`)})
}
