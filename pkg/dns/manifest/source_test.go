package manifest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/manifest"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// followed is the maximum delay of a change on disk.
const followed = time.Second

// service is a manifest of one Service.
func service(name, ip string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Service\nmetadata:\n  name: %s\nspec:\n  clusterIP: %q\n", name, ip)
}

// A world is a running Source and its directory. The time is fake.
type world struct {
	t      *testing.T
	dir    string
	zone   *kubedns.Zone
	source *manifest.Source
	log    *logBuffer
}

// inWorld runs test with a Source that follows a directory of files.
func inWorld(t *testing.T, files map[string]string, test func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: dir, zone: kubedns.NewZone(kubedns.Options{}), log: &logBuffer{}}
		for name, content := range files {
			w.write(name, content)
		}
		w.source = &manifest.Source{Dir: dir, Log: slog.New(slog.NewTextHandler(w.log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.source.Run(ctx, w.zone) }()
		synctest.Wait()
		test(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	})
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// want looks up the address of a Service; "" means that it does not exist, and "not ready" that it
// can exist.
func (w *world) want(step, service, addr string) {
	w.t.Helper()
	a, err := w.zone.Records(w.t.Context(), backend.Query{
		Name: service + ".default.svc.cluster.local.", Type: backend.TypeA, Limit: 10,
	})
	got := ""
	switch {
	case err == nil && len(a.Records) == 1:
		got = a.Records[0].Addr.String()
	case errors.Is(err, backend.ErrNotReady):
		got = "not ready"
	case !errors.Is(err, backend.ErrNotFound):
		got = fmt.Sprint(a, err)
	}
	if got != addr {
		w.t.Errorf("%s: address of %s is %q, want %q", step, service, got, addr)
	}
}

func (w *world) wantErrors(step string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.source.Status().Errors); diff != "" {
		w.t.Errorf("%s: errors -want +got:\n%s", step, diff)
	}
}

// logBuffer is safe for the test and the Source.
type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.String(), text)
}

func TestSourceFollowsFiles(t *testing.T) {
	files := map[string]string{
		"a.yaml":    service("web", "10.96.0.1"),
		"b.yml":     service("db", "10.96.0.2"),
		"notes.txt": "no manifest",
	}
	inWorld(t, files, func(w *world) {
		if !w.zone.HasSynced() {
			t.Error("not synced after the first look")
		}
		w.want("start", "web", "10.96.0.1")
		w.want("start", "db", "10.96.0.2")

		w.write("a.yaml", service("web", "10.96.0.3"))
		time.Sleep(followed)
		w.want("written in place", "web", "10.96.0.3")

		w.write(".new", service("web", "10.96.0.4"))
		w.must(os.Rename(w.path(".new"), w.path("a.yaml")))
		time.Sleep(followed)
		w.want("renamed into place", "web", "10.96.0.4")

		w.write("c.json", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"new"},"spec":{"clusterIP":"10.96.0.5"}}`)
		time.Sleep(followed)
		w.want("added", "new", "10.96.0.5")

		w.must(os.Remove(w.path("a.yaml")))
		time.Sleep(followed)
		w.want("removed", "web", "")
		w.want("removed another", "db", "10.96.0.2")
		st := w.source.Status()
		if st.Files != 2 || st.Broken != 0 || !w.zone.HasSynced() {
			t.Errorf("status is %+v", st)
		}
	})
}

func TestSourceKeepsWhatWasGood(t *testing.T) {
	files := map[string]string{
		"good.yaml":   service("web", "10.96.0.1"),
		"broken.yaml": service("db", "10.96.0.2") + service("queue", "10.96.0.3"),
		"never.yaml":  "hello\n",
	}
	inWorld(t, files, func(w *world) {
		never := w.path("never.yaml") + ":1: want an object (key: value), got \"hello\""
		w.want("start", "web", "10.96.0.1")
		w.wantErrors("start", never)

		w.write("broken.yaml", service("db", "10.96.0.4")+service("queue", "10.96.0.300"))
		w.write("good.yaml", service("web", "10.96.0.5"))
		time.Sleep(followed)
		w.want("broken", "db", "10.96.0.2")
		w.want("broken", "queue", "10.96.0.3")
		w.want("broken another", "web", "10.96.0.5")
		broken := w.path("broken.yaml") + `:14: Service queue: spec.clusterIP: "10.96.0.300" is not an IP address`
		w.wantErrors("broken", broken, never)
		if st := w.source.Status(); st.Broken != 2 || st.Files != 3 {
			t.Errorf("status is %+v, want 2 of 3 files broken", st)
		}

		time.Sleep(30 * time.Second)
		if n := w.log.count("broken.yaml:14"); n != 1 {
			t.Errorf("logged %d times in half a minute, want once", n)
		}
		time.Sleep(10 * time.Minute)
		if n := w.log.count("broken.yaml:14"); n < 9 || n > 12 {
			t.Errorf("logged %d times in ten minutes, want about 11", n)
		}

		w.write("broken.yaml", service("db", "10.96.0.6"))
		time.Sleep(followed)
		w.want("mended", "db", "10.96.0.6")
		w.want("mended", "queue", "not ready")
		w.wantErrors("mended", never)
	})
}

// A file that was never usable can hold any name, so none is denied.
func TestSourceDeniesNothingUnread(t *testing.T) {
	files := map[string]string{
		"good.yaml":   service("web", "10.96.0.1"),
		"broken.yaml": service("db", "10.96.0.2") + service("queue", "10.96.0.300"),
	}
	inWorld(t, files, func(w *world) {
		w.want("start", "web", "10.96.0.1")
		w.want("start", "db", "not ready")
		w.want("start", "nothing", "not ready")
		if got := w.zone.Status(); got != backend.Partial || w.zone.HasSynced() {
			t.Errorf("status %v, %+v, want partial", got, w.source.Status())
		}
		if _, err := w.zone.ReverseRecords(netip.MustParseAddr("10.96.0.2")); !errors.Is(err, backend.ErrNotReady) {
			t.Errorf("reverse: got %v, want not ready", err)
		}
		plain := w.zone.PlainRecords("db.default.svc.cluster.local.", backend.TypeA)
		if plain.Kind != (backend.Plain{}).Kind {
			t.Errorf("the fast path answers %+v", plain)
		}
		w.write("good.yaml", service("web", "10.96.0.7"))
		time.Sleep(followed)
		w.want("changed", "web", "10.96.0.7")

		w.write("broken.yaml", service("db", "10.96.0.2"))
		time.Sleep(followed)
		w.want("mended", "db", "10.96.0.2")
		w.want("mended", "nothing", "")
		if got := w.zone.Status(); got != backend.Ready {
			t.Errorf("status %v after the file was mended, want ready", got)
		}
		w.write("late.yaml", "hello")
		time.Sleep(followed)
		w.want("another broken file", "nothing", "")
	})
	inWorld(t, files, func(w *world) {
		w.must(os.Remove(w.path("broken.yaml")))
		time.Sleep(followed)
		w.want("removed", "db", "")
	})
}

// A directory without manifests is most often the wrong one, but it can be filled later.
func TestSourceWithoutManifests(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"empty":        nil,
		"other files":  {"README.md": "# Manifests", "web.yaml.bak": service("web", "10.96.0.9")},
		"hidden files": {".web.yaml": service("web", "10.96.0.9")},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, files, func(w *world) {
				problem := "--manifests=" + w.dir + ": the directory holds no *.yaml, *.yml or *.json file: put one there"
				w.want("start", "web", "not ready")
				w.wantErrors("start", problem)
				if got := w.zone.Status(); got != backend.Partial || w.zone.HasSynced() {
					t.Errorf("status %v, %+v, want partial", got, w.source.Status())
				}
				time.Sleep(time.Minute)
				if n := w.log.count("found no manifests"); n != 1 {
					t.Errorf("warned %d times, want once", n)
				}

				w.must(os.Mkdir(w.path("below.yaml"), 0o755)) // subdirectories are not read
				w.write("below.yaml/web.yaml", service("web", "10.96.0.9"))
				time.Sleep(followed)
				w.wantErrors("a directory below", problem)

				w.write("web.yaml", service("web", "10.96.0.1"))
				time.Sleep(followed)
				w.want("filled", "web", "10.96.0.1")
				w.want("filled", "nothing", "")
				w.wantErrors("filled")
				if got := w.zone.Status(); got != backend.Ready {
					t.Errorf("status %v, want ready", got)
				}

				w.must(os.Remove(w.path("web.yaml")))
				time.Sleep(followed)
				w.want("emptied", "web", "")
				w.wantErrors("emptied", problem)
				if n := w.log.count("found no manifests"); n != 2 {
					t.Errorf("warned %d times after the last file went, want twice", n)
				}
			})
		})
	}
}

// If a file is invalid at the first look, no name is denied until it is fixed.
func TestSourceBrokenAtTheStart(t *testing.T) {
	good := service("db", "10.96.0.2")
	for name, tt := range map[string]struct{ file, content, problem string }{
		"a tab":             {"db.yaml", good + "\tx: 1\n", ":8: this is not right YAML"},
		"one object of two": {"db.yaml", good + service("queue", "10.96.0.300"), ":14: Service queue: spec.clusterIP"},
		"an unset variable": {"db.yaml", good + service("$NAME", "10.96.0.3"), ":12: Service $NAME: metadata.name"},
		"template braces": {
			"db.yaml", good + "---\nkind: {{ .Values.kind }}\n",
			":9: this is not right YAML: a key must be text; render the template before it is used",
		},
		"a cut list":   {"db.json", `{"apiVersion":"v1","kind":"List","items":[`, ":1: this is not right JSON"},
		"a wrong type": {"db.yaml", strings.Replace(good, "name: db", "name: 12", 1), ":5: Service: metadata.name"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, map[string]string{"good.yaml": service("web", "10.96.0.1"), tt.file: tt.content}, func(w *world) {
				w.want("start", "web", "10.96.0.1")
				w.want("start", "db", "not ready")
				if errs := w.source.Status().Errors; len(errs) != 1 || !strings.HasPrefix(errs[0], w.path(tt.file)+tt.problem) {
					t.Errorf("got errors %q, want one that begins with %s", errs, w.path(tt.file)+tt.problem)
				}
				if got := w.zone.Status(); got != backend.Partial {
					t.Errorf("status %v, want partial", got)
				}
				w.must(os.Remove(w.path(tt.file)))
				w.write("db.yaml", good)
				time.Sleep(followed)
				w.want("mended", "db", "10.96.0.2")
				w.want("mended", "nothing", "")
			})
		})
	}
}

func TestSourceWithoutDirectory(t *testing.T) {
	inWorld(t, map[string]string{"a.yaml": service("web", "10.96.0.1")}, func(w *world) {
		w.must(os.Rename(w.dir, w.dir+".away"))
		time.Sleep(followed)
		w.want("away", "web", "10.96.0.1")
		w.wantErrors("away", "open "+w.dir+": no such file or directory")
		time.Sleep(followed)
		if n := w.log.count("cannot read the directory of manifests"); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}

		w.must(os.Rename(w.dir+".away", w.dir))
		w.write("a.yaml", service("web", "10.96.0.2"))
		time.Sleep(followed)
		w.want("back", "web", "10.96.0.2")
		w.wantErrors("back")
	})
}

// TestSourceConfigMapVolume changes a directory as the kubelet does: the files are links through
// ..data, which is a link that changes by one rename.
func TestSourceConfigMapVolume(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for i, version := range []string{"..v1", "..v2", "..v3"} {
			w.must(os.Mkdir(w.path(version), 0o755))
			w.write(version+"/web.yaml", service("web", fmt.Sprintf("10.96.0.%d", i+1)))
			w.must(os.Symlink(version, w.path("..tmp")))
			w.must(os.Rename(w.path("..tmp"), w.path("..data")))
			if i == 0 {
				w.must(os.Symlink("..data/web.yaml", w.path("web.yaml")))
			}
			time.Sleep(followed)
			w.want(version, "web", fmt.Sprintf("10.96.0.%d", i+1))
		}
	})
}

func TestSourceConflict(t *testing.T) {
	files := map[string]string{"a.yaml": service("web", "10.96.0.1"), "b.yaml": service("web", "10.96.0.2")}
	inWorld(t, files, func(w *world) {
		w.want("start", "web", "10.96.0.2")
		w.write("a.yaml", service("web", "10.96.0.3"))
		time.Sleep(followed)
		w.want("the other one changed", "web", "10.96.0.2")
		warning := fmt.Sprintf("Service default/web is declared in %s and in %[2]s; %[2]s counts",
			w.path("a.yaml"), w.path("b.yaml"))
		if n := w.log.count(warning); n != 1 {
			t.Errorf("warned %d times, want once", n)
		}
		w.must(os.Remove(w.path("b.yaml")))
		time.Sleep(followed)
		w.want("the later one is gone", "web", "10.96.0.3")
	})
}

func TestSourceEndpointsAndNodes(t *testing.T) {
	files := map[string]string{
		"a.yaml": service("web", "None") + `---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
- addresses: [{ip: 10.244.0.1}]
`,
		"b.yaml": `apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {topology.kubernetes.io/zone: z, topology.kubernetes.io/region: r}}
`,
	}
	inWorld(t, files, func(w *world) {
		w.want("Endpoints", "web", "10.244.0.1")
		w.write("slice.yaml", `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.2]}]
`)
		time.Sleep(followed)
		w.want("a slice", "web", "10.244.0.2")
		w.must(os.Remove(w.path("slice.yaml")))
		time.Sleep(followed)
		w.want("no slice", "web", "10.244.0.1")

		w.zone.SetFederations(map[string]string{"fed": "example.com"})
		a, err := w.zone.Records(t.Context(), backend.Query{
			Name: "svc.ns.fed.svc.cluster.local.", Type: backend.TypeA, Limit: 10,
		})
		if err != nil || len(a.Records) != 1 || a.Records[0].Host != "svc.ns.fed.svc.z.r.example.com." {
			t.Errorf("got %v, %v, want an alias made of the Node's zone and region", a, err)
		}
	})
}

// TestSourceLeavesOthersAlone: a change of one file never affects the names of the other files.
func TestSourceLeavesOthersAlone(t *testing.T) {
	files := map[string]string{"a.yaml": service("web", "10.96.0.1"), "b.yaml": service("db", "10.96.0.2")}
	inWorld(t, files, func(w *world) {
		for i := range 20 {
			w.write("b.yaml", service("db", fmt.Sprintf("10.96.1.%d", i)))
			time.Sleep(50 * time.Millisecond)
			w.want("changing", "web", "10.96.0.1")
			rs, err := w.zone.ReverseRecords(netip.MustParseAddr("10.96.0.1"))
			if err != nil || len(rs) != 1 {
				t.Errorf("reverse name: got %v, %v", rs, err)
			}
		}
		time.Sleep(followed)
		w.want("the last change", "db", "10.96.1.19")
	})
}

func TestSourceCannotStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web.yaml")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, dir, want string }{
		{
			"no such directory", dir + "/missing", "--manifests=" + dir + "/missing: name a directory of manifests " +
				"that can be read: open " + dir + "/missing: no such file or directory",
		},
		{
			"a file", file, "--manifests=" + file + ": name a directory of manifests that can be read: open " + file +
				": not a directory",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zone := kubedns.NewZone(kubedns.Options{})
			err := (&manifest.Source{Dir: tt.dir}).Run(t.Context(), zone)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if zone.HasSynced() {
				t.Error("the zone is synced")
			}
		})
	}
}

// TestExamples: the first examples for a new user must be right.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/cluster/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := manifest.Decode(filepath.Base(file), data)
		if err != nil || len(objects.Warnings) > 0 || objects.Ignored > 0 {
			t.Errorf("%s: got error %v, warnings %q and %d ignored objects, want none",
				file, err, objects.Warnings, objects.Ignored)
		}
	}
}
