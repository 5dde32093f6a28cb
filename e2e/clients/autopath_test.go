package clients

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Addresses of the names of TestAutopath.
const (
	wwwAddr  = "203.0.113.90"
	wwwAddr6 = "2001:db8::90"
	gitAddr  = "203.0.113.91" // of git.dev.corp.example
	gitAlone = "203.0.113.92" // of git.dev
	ownAddr  = "203.0.113.93" // of ci.dev.own.example
	ownAlone = "203.0.113.94" // of ci.dev
)

// nodeConf is the resolv.conf of the node, and so of kube-dns.
const nodeConf = "nameserver 127.0.0.1\nsearch corp.example\n"

const clusterDomains = "default.svc.cluster.local svc.cluster.local cluster.local"

// A searched name has the addresses for a client with --autopath, and the number of queries for
// them.
type searched struct {
	name    string
	want    []string // nil: the name does not exist
	queries int
	// without are the addresses without --autopath where the search list of the pod differs from
	// that of kubelet. docs/autopath.md lists these cases.
	without []string
}

// searchLists are search lists of pods.
var searchLists = []struct {
	name, conf string
	names      []searched
}{
	{"kubelet's list", "search " + clusterDomains + " corp.example\noptions ndots:5\n", []searched{
		{name: "web", want: []string{webAddr}, queries: 2},
		{name: "db.data", want: names[2].addrs, queries: 2},
		{name: "db-1.db.data", want: []string{"10.244.2.10"}, queries: 2},
		{name: "db.data.svc.cluster.local", want: names[2].addrs, queries: 2},
		{name: "www.outside.example", want: []string{wwwAddr6, wwwAddr}, queries: 2},
		{name: "git.dev", want: []string{gitAddr}, queries: 2},
		{name: "absent.outside.example", queries: 10},
		// Their second query looks like the first of a namespace "absent".
		{name: "git.dev.absent", queries: 10},
		{name: "www.outside.example.absent", queries: 10},
		// The first label is a Service of the namespace, so these could be its members.
		{name: "web.default.svc.cluster.local", want: []string{webAddr}, queries: 10},
		{name: "web.outside.example", want: []string{wwwAddr}, queries: 10},
		{name: "www.outside.example.", want: []string{wwwAddr6, wwwAddr}, queries: 2},
	}},
	{"ndots:1", "search " + clusterDomains + " corp.example\noptions ndots:1\n", []searched{
		{name: "web", want: []string{webAddr}, queries: 2},
		{name: "www.outside.example", want: []string{wwwAddr6, wwwAddr}, queries: 2},
		{name: "git.dev", want: []string{gitAlone}, queries: 2},
	}},
	{"a domain before the cluster's", "search corp.example " + clusterDomains + "\noptions ndots:5\n", []searched{
		{name: "web", want: []string{webAddr}, queries: 4},
		{name: "db.data", want: names[2].addrs, queries: 4},
		{name: "www.outside.example", want: []string{wwwAddr6, wwwAddr}, queries: 4},
		{name: "git.dev", want: []string{gitAddr}, queries: 2},
	}},
	{"a domain after kubelet's", "search " + clusterDomains + " corp.example own.example\noptions ndots:5\n", []searched{
		{name: "web", want: []string{webAddr}, queries: 2},
		{name: "www.outside.example", want: []string{wwwAddr6, wwwAddr}, queries: 2},
		{name: "git.dev", want: []string{gitAddr}, queries: 2},
		{name: "ci.dev", want: []string{ownAlone}, queries: 2, without: []string{ownAddr}},
	}},
	{"without the node's domain", "search " + clusterDomains + "\noptions ndots:5\n", []searched{
		{name: "web", want: []string{webAddr}, queries: 2},
		{name: "www.outside.example", want: []string{wwwAddr6, wwwAddr}, queries: 2},
		{name: "git.dev", want: []string{gitAddr}, queries: 2, without: []string{gitAlone}},
	}},
	{"no domains of the cluster", "search corp.example\noptions ndots:5\n", []searched{
		{name: "www.outside.example", want: []string{wwwAddr6, wwwAddr}, queries: 4},
		{name: "git.dev", want: []string{gitAddr}, queries: 2},
	}},
}

// TestAutopath looks names up with each client and each search list, with --autopath and without.
// The results are the same except where docs/autopath.md lists a difference.
func TestAutopath(t *testing.T) {
	dir := os.Getenv(insideVariable)
	write(t, filepath.Join(dir, "world.hosts"), strings.Join([]string{
		wwwAddr + " www.outside.example", wwwAddr6 + " www.outside.example", wwwAddr + " web.outside.example",
		gitAddr + " git.dev.corp.example", gitAlone + " git.dev", ownAddr + " ci.dev.own.example", ownAlone + " ci.dev", "",
	}, "\n"))
	run(t, "dnsmasq", "-k", "-C", "/dev/null", "--no-hosts", "--no-resolv", "--pid-file=", "--user=root", "--port=5301",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--addn-hosts="+filepath.Join(dir, "world.hosts"),
		"--local=/#/")
	t.Cleanup(func() { setResolvConf(t, resolvConf) })
	for _, flags := range [][]string{{"--autopath"}, {"--autopath", "--cache-size=1Mi"}, {"--cache-size=1Mi"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			setResolvConf(t, nodeConf)
			startDirect(t, flags...)
			for _, list := range searchLists {
				setResolvConf(t, "nameserver 127.0.0.1\n"+list.conf)
				for client, c := range searchClients(t) {
					t.Run(list.name+"/"+client, func(t *testing.T) { c.wantSearched(t, flags[0] == "--autopath", list.names) })
				}
				t.Run(list.name+"/JNDI", func(t *testing.T) { wantWhole(t, flags[0] == "--autopath") })
			}
		})
	}
}

// A searchClient walks through the search list.
type searchClient struct {
	// start returns the client's look-up. Resolvers read resolv.conf on startup.
	start func(t *testing.T) lookup
	ipv4  bool // looks up only IPv4
	keeps bool // has its own cache
}

// searchClients returns the clients. Each look-up is a separate process, except for Java. The
// arguments in front start each process.
func searchClients(t *testing.T, front ...string) map[string]searchClient {
	bin := filepath.Join(os.Getenv(insideVariable), "bin")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	each := func(look lookup) searchClient {
		return searchClient{start: func(*testing.T) lookup { return look }}
	}
	return map[string]searchClient{
		"glibc":  each(programAfter(front, nil, bin+"/glibc")),
		"musl":   each(programAfter(front, nil, bin+"/musl")),
		"c-ares": each(programAfter(front, nil, bin+"/cares")),
		"Go":     each(programAfter(front, []string{lookupVariable + "=1", "GORACE=atexit_sleep_ms=0"}, self)),
		"Java":   {start: func(t *testing.T) lookup { return startJava(t, front, javaKeeps) }, keeps: true},
		"Java, IPv4": {start: func(t *testing.T) lookup {
			return startJava(t, front, javaDrops, "-Djava.net.preferIPv4Stack=true")
		}, ipv4: true},
	}
}

// lookupVariable marks a process that prints the addresses of its argument.
const lookupVariable = "KUBE_DNS_CLIENTS_LOOKUP"

// lookUp prints the addresses of a name like the other clients, with Go's own resolver.
func lookUp(name string) error {
	addrs, err := goLookup("")(context.Background(), name)
	if errors.Is(err, errNotFound) {
		return errors.New("Name or service not known") // as the C library prints it
	}
	for _, addr := range addrs {
		fmt.Println(addr)
	}
	return err
}

// wantSearched looks each name up twice, and counts queries.
func (c searchClient) wantSearched(t *testing.T, autopath bool, names []searched) {
	look := c.start(t)
	for i, n := range slices.Concat(names, names) {
		want := n.want
		if !autopath && n.without != nil {
			want = n.without
		}
		wantQueries := n.queries
		if c.ipv4 {
			want, wantQueries = ipv4Only(want), n.queries/2
		}
		if c.keeps && i >= len(names) {
			wantQueries = 0
		}
		before := queryCount(t)
		got, err := look(t.Context(), n.name)
		queries := queryCount(t) - before
		wantFound(t, n.name, got, want, err)
		if autopath && queries != wantQueries {
			t.Errorf("%s: %d queries, want %d", n.name, queries, wantQueries)
		}
	}
}

// wantFound checks the result of a look-up. A name without addresses does not exist.
func wantFound(t *testing.T, name string, got, want []string, err error) {
	t.Helper()
	switch {
	case len(want) == 0 && !errors.Is(err, errNotFound):
		t.Errorf("%s: got %v and error %v, want no such name", name, got, err)
	case len(want) > 0 && err != nil:
		t.Errorf("%s: %v", name, err)
	case !slices.Equal(sorted(got), sorted(want)):
		t.Errorf("%s:\n got %v\nwant %v", name, sorted(got), want)
	}
}

func ipv4Only(addrs []string) []string {
	return slices.DeleteFunc(slices.Clone(addrs), func(addr string) bool { return strings.Contains(addr, ":") })
}

// wantWhole looks names up with the JDK's own DNS client. It has no search list: it queries each
// name unchanged. With --autopath the reply differs only for a full name below the namespace.
func wantWhole(t *testing.T, autopath bool) {
	look := startJava(t, nil, javaJNDI)
	searched := map[string][]string{}
	if autopath {
		searched = map[string][]string{"www": {wwwAddr6, wwwAddr}, "git": {gitAddr}}
	}
	for name, want := range map[string][]string{
		"www.outside.example": {wwwAddr6, wwwAddr}, "git.dev": {gitAlone}, "ci.dev": {ownAlone},
		"db.data": nil, "absent.outside.example": nil,
		"db.data.svc.cluster.local": names[2].addrs, "web.default.svc.cluster.local": {webAddr},
		"www.outside.example.default.svc.cluster.local":    searched["www"],
		"git.dev.default.svc.cluster.local":                searched["git"],
		"web.outside.example.default.svc.cluster.local":    nil, // web is a Service of the namespace
		"absent.outside.example.default.svc.cluster.local": nil,
	} {
		got, err := look(t.Context(), name)
		wantFound(t, name, got, want, err)
	}
}

// startDirect runs kube-dns on port 53, without dnsmasq.
func startDirect(t *testing.T, flags ...string) {
	t.Helper()
	startDirectAt(t, outside, flags...)
	waitAnswer(t, pod, "www.outside.example")
}

// startDirectAt is startDirect with these upstreams.
func startDirectAt(t *testing.T, upstreams string, flags ...string) {
	t.Helper()
	dir := os.Getenv(insideVariable)
	write(t, filepath.Join(dir, "manifests", "objects.yaml"), objects())
	cmd := command(t, filepath.Join(dir, "bin", "kube-dns"), append([]string{
		"--manifests=" + filepath.Join(dir, "manifests"),
		"--dns-port=53", "--dns-bind-address=127.0.0.1", "--direct", "--nameservers=" + upstreams, "--v=2"}, flags...)...)
	cmd.Env = append(os.Environ(), "PROMETHEUS_PORT=10055")
	runCommand(t, cmd)
	waitAnswer(t, pod, "web.default.svc.cluster.local")
}

// setResolvConf replaces the text of the file mounted over /etc/resolv.conf.
func setResolvConf(t *testing.T, text string) {
	t.Helper()
	write(t, filepath.Join(os.Getenv(insideVariable), "resolv.conf"), text)
}

// queryCount returns the number of queries that kube-dns has replied to.
func queryCount(t *testing.T) int {
	t.Helper()
	resp, err := http.Get("http://127.0.0.1:10055/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	total := 0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "skydns_skydns_dns_request_count_total{") {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			total += int(n)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return total
}
