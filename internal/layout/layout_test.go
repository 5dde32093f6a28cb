package layout

import (
	"go/token"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModule applies each rule to each package of this module.
func TestModule(t *testing.T) {
	pkgs := load(t)
	if len(pkgs) == 0 {
		t.Fatal("go list names no packages")
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range pkgs {
				for _, problem := range r.check(p) {
					t.Errorf("%s: %s", p.path, problem)
				}
			}
		})
	}
}

// importing is a package of one file.
func importing(path, name string, imports ...string) pkg {
	return pkg{path: path, files: []file{{name: name, imports: imports}}}
}

// TestRules checks allowed and forbidden code for each rule: a rule that finds no problem is a
// wish.
func TestRules(t *testing.T) {
	tests := []struct {
		name  string
		check func(pkg) []string
		pkg   pkg
		want  int // problems
	}{
		{"import downwards", checkDirection, importing("pkg/dns", "zone.go", module+"/pkg/treecache", "strings"), 0},
		{"import upwards", checkDirection, importing("pkg/treecache", "tree.go", module+"/pkg/dns"), 1},
		{"package imports the shell", checkDirection, importing("pkg/skydns", "server.go", module+"/internal/cli"), 1},
		{"package without a place", checkDirection, importing("pkg/new", "new.go"), 1},

		{"leaf on the standard library", checkStdOnly, importing("pkg/config", "config.go", "net/netip"), 0},
		{"leaf on a library", checkStdOnly, importing("pkg/config", "config.go", "sigs.k8s.io/yaml"), 1},

		{"client-go in its home", checkKept, importing("pkg/dns/kube", "client.go", "k8s.io/client-go/rest"), 0},
		{"client-go elsewhere", checkKept, importing("pkg/dns/manifest", "source.go", "k8s.io/client-go/rest"), 1},
		{"API types elsewhere", checkKept, importing("pkg/dns", "zone.go", "k8s.io/api/core/v1"), 1},
		{"DNS library in the server", checkKept, importing("pkg/skydns", "answer.go", "github.com/miekg/dns"), 0},
		{"DNS library in the core", checkKept, importing("pkg/dns", "zone.go", "github.com/miekg/dns"), 1},
		{"klog in the shell", checkKept, importing("internal/cli", "log.go", "k8s.io/klog/v2"), 0},
		{"klog elsewhere", checkKept, importing("pkg/dns/kube", "client.go", "k8s.io/klog/v2"), 1},
		{"old logger", checkKept, importing("cmd/sidecar", "main.go", "log"), 1},
		{"flags in a package", checkKept, importing("pkg/sidecar", "options.go", "github.com/spf13/pflag"), 1},
		{"metrics in their file", checkKept, importing("pkg/sidecar", "metrics.go",
			"github.com/prometheus/client_golang/prometheus"), 0},
		{"metrics in another file", checkKept, importing("pkg/sidecar", "probe.go",
			"github.com/prometheus/client_golang/prometheus"), 1},
		{"metrics in any file of a command", checkKept,
			importing("cmd/sidecar", "run.go", "github.com/prometheus/client_golang/prometheus"), 0},
		{"metrics in the shell", checkKept, importing("internal/cli", "metrics.go",
			"github.com/prometheus/client_golang/prometheus"), 1},
		{"test library in a command", checkKept, importing("cmd/sidecar", "run.go", "testing"), 1},

		{"address in the core", checkPure, importing("pkg/dns", "zone.go", "net/netip"), 0},
		{"socket in the core", checkPure, importing("pkg/dns", "zone.go", "net"), 1},
		{"socket linked into the core", checkPure, pkg{path: "pkg/dns", deps: []string{"net", "net/netip"}}, 1},

		{"kube-dns with a client", checkLinked, pkg{path: "cmd/kube-dns", deps: []string{"k8s.io/client-go/rest"}}, 0},
		{"sidecar with a client", checkLinked, pkg{path: "cmd/sidecar", deps: []string{"fmt", "k8s.io/client-go/rest"}}, 1},
		{"command with test support", checkLinked, pkg{path: "cmd/kube-dns", deps: []string{"fmt", "testing"}}, 1},

		{"exit in main.go", checkExits, pkg{files: []file{{name: "main.go", exits: []string{"os.Exit (line 1)"}}}}, 0},
		{"exit elsewhere", checkExits, pkg{files: []file{{name: "run.go", exits: []string{"os.Exit (line 1)"}}}}, 1},

		{"noun", checkName, pkg{path: "pkg/treecache", name: "treecache"}, 0},
		{"catch-all name", checkName, pkg{path: "pkg/x", name: "util"}, 1},
		{"catch-all folder", checkName, pkg{path: "internal/common/x", name: "x"}, 1},

		{"comment", checkDoc, pkg{doc: "Package x does."}, 0},
		{"no comment", checkDoc, pkg{}, 1},

		{"long file", checkLength, pkg{files: []file{{name: "a.go", lines: maxLines}}}, 0},
		{"too long file", checkLength, pkg{files: []file{{name: "a.go", lines: maxLines + 1}}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.check(tt.pkg); len(got) != tt.want {
				t.Errorf("got %d problems, want %d: %q", len(got), tt.want, got)
			}
		})
	}
}

// TestParse pins the view that rules have of a file.
func TestParse(t *testing.T) {
	const src = `package p

import (
	"os"
	log "k8s.io/klog/v2"
)

func f() {
	defer os.Exit(1)
	log.Fatalf("x")
	os.Getenv("x")
}
`
	p := pkg{fset: token.NewFileSet()}
	if err := p.parse("f.go", []byte(src), true); err != nil {
		t.Fatal(err)
	}
	want := file{
		name:    "f.go",
		lines:   12,
		imports: []string{"os", "k8s.io/klog/v2"},
		exits:   []string{"os.Exit (line 9)", "log.Fatalf (line 10)"},
	}
	if diff := cmp.Diff([]file{want}, p.files, cmp.AllowUnexported(file{})); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
}
