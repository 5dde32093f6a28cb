package layout

// mayImport is the picture of the module: each package with the packages of this
// module that it may import. A package that is not in it has no place yet.
var mayImport = map[string][]string{
	"cmd/kube-dns": {
		"internal/cgroup", "internal/cli", "internal/explain", "internal/httpd", "internal/pause", "internal/statuspage",
		"pkg/config", "pkg/dns", "pkg/dns/kube", "pkg/dns/manifest", "pkg/dns/snapshot",
		"pkg/querylog", "pkg/querylog/dnstap",
		"pkg/skydns", "pkg/skydns/backend", "pkg/skydns/upstream",
	},
	"cmd/dnsmasq-nanny": {"internal/cli", "internal/httpd", "internal/statuspage", "pkg/config", "pkg/dnsmasq"},
	"cmd/sidecar":       {"internal/cli", "internal/httpd", "internal/statuspage", "pkg/dnsmasq/chaos", "pkg/sidecar"},

	"pkg/dns":         {"internal/label", "internal/spelling", "pkg/skydns/backend", "pkg/treecache"},
	"pkg/dns/convert": {"pkg/dns"},
	"pkg/dns/kube":    {"internal/pause", "pkg/config", "pkg/dns", "pkg/dns/convert", "pkg/dns/kube/listwatch"},

	"pkg/dns/kube/listwatch": {"internal/pause"},

	"pkg/dns/manifest": {"internal/label", "internal/pause", "pkg/dns", "pkg/dns/convert"},
	"pkg/dns/snapshot": {"internal/atomicfile", "pkg/dns", "pkg/dns/manifest"},
	"pkg/dnsmasq": {
		"internal/atomicfile", "internal/cgroup", "internal/pause", "internal/process", "internal/rcode",
		"pkg/config", "pkg/dnsmasq/chaos", "pkg/dnsmasq/cmdline", "pkg/dnsmasq/upstreams",
	},
	"pkg/dnsmasq/chaos":     {"internal/rcode"},
	"pkg/dnsmasq/cmdline":   {"internal/spelling", "pkg/config", "pkg/dnsmasq/upstreams"},
	"pkg/dnsmasq/upstreams": {"pkg/config"},
	"pkg/querylog":          {"internal/pause", "internal/rcode"},
	"pkg/querylog/dnstap":   {"internal/pause", "pkg/querylog"},
	"pkg/sidecar":           {"internal/pause", "internal/rcode", "pkg/dnsmasq/chaos"},
	"pkg/skydns/upstream":   {"pkg/skydns/internal/cache", "pkg/skydns/internal/udpbatch", "pkg/skydns/internal/wire"},
	"pkg/skydns": {
		"internal/pause", "internal/rcode", "internal/shares", "pkg/querylog", "pkg/skydns/backend",
		"pkg/skydns/internal/udpbatch", "pkg/skydns/internal/wire", "pkg/skydns/upstream",
	},

	"internal/cli":         {"internal/spelling"},
	"conformance":          {"internal/conformance", "internal/pause"},
	"internal/conformance": {"internal/dnstest", "internal/pause"},
	"internal/clitest":     {"internal/dnstest", "internal/docs"},
	"internal/dnstest":     {"internal/rcode"},
	"pkg/config":           {"internal/atomicfile", "internal/label", "internal/pause", "internal/spelling"},

	// Leaves: they import nothing of this module.
	"hack/selfcheck":               {},
	"internal/atomicfile":          {},
	"internal/cgroup":              {},
	"internal/docs":                {},
	"internal/explain":             {"pkg/dns", "pkg/skydns/backend"},
	"internal/httpd":               {},
	"internal/layout":              {},
	"internal/label":               {},
	"internal/pause":               {},
	"internal/process":             {},
	"internal/process/processtest": {"internal/process"},
	"internal/rcode":               {},
	"internal/shares":              {},
	"internal/spelling":            {},
	"internal/statuspage":          {"internal/pause"},
	"manifests":                    {},
	"pkg/skydns/backend":           {},
	"pkg/skydns/internal/udpbatch": {},
	"pkg/skydns/internal/wire":     {},
	"pkg/skydns/internal/cache":    {"pkg/skydns/internal/wire"},
	"pkg/treecache":                {},
}

// forTests are the packages that serve tests. No command links them, and the
// libraries that test files use are kept to them.
var forTests = []string{"internal/clitest", "internal/conformance", "internal/dnstest", "internal/docs",
	"internal/process/processtest"}

// stdOnly are the packages that import only the standard library and each other: they are the
// easiest to test and to reuse, and must remain so.
var stdOnly = []string{
	"internal/atomicfile", "internal/cgroup", "internal/label", "internal/pause", "internal/shares",
	"internal/spelling", "pkg/config", "pkg/skydns/backend", "pkg/skydns/internal/wire", "pkg/treecache",
}

// kept lists where certain imports are allowed. A trailing "/..." includes everything below; files,
// if set, restricts it to files of that name.
var kept = []struct {
	imports []string
	in      []string
	files   []string
	why     string
}{
	{
		imports: []string{"k8s.io/client-go/..."},
		in:      []string{"pkg/dns/kube/..."},
		why:     "one package talks to the API server",
	},
	{
		imports: []string{"k8s.io/api/...", "k8s.io/apimachinery/..."},
		in:      []string{"pkg/dns/convert", "pkg/dns/kube/...", "pkg/dns/manifest"},
		why:     "API types end at the door: the rest sees the objects of pkg/dns",
	},
	{
		imports: []string{"github.com/miekg/dns/..."},
		in: append([]string{"internal/rcode", "pkg/dnsmasq/...", "pkg/querylog", "pkg/sidecar", "pkg/skydns/..."},
			forTests...),
		why: "a move to the library's successor must stay small",
	},
	{
		imports: []string{"k8s.io/klog/...", "github.com/go-logr/..."},
		in:      []string{"internal/cli"},
		why:     "packages take a *slog.Logger",
	},
	{
		imports: []string{"github.com/dnstap/...", "google.golang.org/protobuf/..."},
		in:      []string{"pkg/dns/kube/listwatch", "pkg/querylog/dnstap"},
		why:     "forms of messages end where they are read or written",
	},
	{
		imports: []string{"log"},
		why:     "packages take a *slog.Logger",
	},
	{
		imports: []string{"flag", "github.com/spf13/pflag"},
		in:      append([]string{"cmd/...", "conformance", "hack/...", "internal/cli"}, forTests...),
		why:     "packages take an Options struct; only commands have flags",
	},
	{
		imports: []string{"github.com/prometheus/..."},
		in:      append([]string{"cmd/...", "internal/httpd", "internal/statuspage", "pkg/..."}, forTests...),
		why:     "metrics reach other packages as a Registerer",
	},
	{
		imports: []string{"github.com/prometheus/..."},
		in:      []string{"pkg/..."},
		files:   []string{"exporter.go", "metrics.go", "options.go"},
		why:     "what a package measures stands in one file",
	},
	{
		imports: []string{"testing", "github.com/google/go-cmp/...", "github.com/rogpeppe/...", "go.uber.org/goleak"},
		in:      forTests,
		why:     "tests and what serves them are not linked into commands",
	},
}

// pure are packages without sockets, files and logs, and the imports that they therefore avoid.
// deps has the imports through other packages.
var pure = []struct {
	in      []string
	imports []string
	deps    []string
}{
	{
		in:      []string{"pkg/dns", "pkg/skydns/backend", "pkg/skydns/internal/wire", "pkg/treecache"},
		imports: []string{"log/slog", "net", "net/http", "os", "os/exec"},
		deps:    []string{"github.com/miekg/dns/...", "net", "net/http"},
	},
}

// notLinked lists packages that a command must not contain, not even through other packages.
var notLinked = []struct {
	commands []string
	deps     []string
	why      string
}{
	{
		commands: []string{"cmd/dnsmasq-nanny", "cmd/sidecar"},
		deps:     []string{"k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/client-go/..."},
		why:      "a supervisor and a prober stay small",
	},
	{
		commands: []string{"cmd/dnsmasq-nanny", "cmd/kube-dns", "cmd/sidecar"},
		deps:     []string{"testing"},
		why:      "tests and what serves them are not linked into commands",
	},
}

// badNames are package names that do not describe the content.
var badNames = []string{
	"common", "helper", "helpers", "manager", "misc", "test", "tests", "types", "util", "utils",
}

// maxLines limits the length of a file.
const maxLines = 400
