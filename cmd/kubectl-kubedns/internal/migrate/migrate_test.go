package migrate

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/manifests"
)

var update = flag.Bool("update", false, "write testdata/*/want")

func decode(t *testing.T, text string) Inventory {
	t.Helper()
	inv := Inventory{Namespace: "kube-system"}
	if _, err := manifests.Read([]string{"-"}, strings.NewReader(text), inv.Add); err != nil {
		t.Fatal(err)
	}
	return inv
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tree returns the files below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[name] = readFile(t, path)
		return err
	})
	if err != nil && !*update {
		t.Fatal(err)
	}
	return files
}

func TestMake(t *testing.T) {
	for name, opts := range map[string]Options{
		"kubeadm":  {To: KubeDNS, Registry: "registry.example/dns", Tag: "v1.0.0"},
		"helm":     {To: KubeDNS, Registry: "registry.example/dns", Tag: "v1.0.0", Accept: []string{"MG41"}, Old: true},
		"kube-dns": {To: CoreDNS},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name, "want")
			plan, err := Make(decode(t, readFile(t, filepath.Join("testdata", name, "in.yaml"))), opts)
			if err != nil {
				t.Fatal(err)
			}
			if left := plan.Unaccepted(opts.Accept); len(left) > 0 {
				t.Errorf("refused: %v", left)
			}
			files, err := plan.Files()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for file, text := range files {
				got[file] = string(text)
			}
			var b strings.Builder
			if err := plan.Print(&b, true); err != nil {
				t.Fatal(err)
			}
			got["plan.txt"] = b.String()
			if *update {
				write(t, dir, got)
			}
			if diff := cmp.Diff(tree(t, dir), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A plan is the same when its Deployment already runs, so that a move can be resumed.
func TestResume(t *testing.T) {
	in := readFile(t, "testdata/kubeadm/in.yaml")
	opts := Options{To: KubeDNS, Registry: "registry.example/dns", Tag: "v1.0.0"}
	first, err := Make(decode(t, in), opts)
	if err != nil {
		t.Fatal(err)
	}
	files, err := first.Files()
	if err != nil {
		t.Fatal(err)
	}
	in += "---\n" + string(files["deployment.yaml"])
	second, err := Make(decode(t, in), opts)
	if err != nil {
		t.Fatal(err)
	}
	if second.Target == nil || second.Reuses() {
		t.Errorf("the second plan does not see the Deployment of the first one: %+v", second.Target)
	}
	if diff := cmp.Diff(first.Objects, second.Objects); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
	// Without a registry the images of the Deployment remain.
	second, err = Make(decode(t, in), Options{To: KubeDNS, Tag: "other"})
	if err != nil || second.NoRegistry || !cmp.Equal(first.Objects, second.Objects) {
		t.Errorf("without a registry: %v\n%s", err, cmp.Diff(first.Objects, second.Objects))
	}
	// The way back only scales the running Deployment.
	back, err := Make(decode(t, in), Options{To: CoreDNS})
	if err != nil {
		t.Fatal(err)
	}
	if !back.Reuses() || back.From.Deployment.Name != "kube-dns" {
		t.Errorf("the way back: from %s, reuses %v", back.From.Deployment.Name, back.Reuses())
	}
}

// Upstream's kube-dns keeps everything but its images.
func TestReplaceImages(t *testing.T) {
	in := readFile(t, "testdata/kube-dns/in.yaml")
	opts := Options{To: KubeDNS, Registry: "registry.example/dns", Tag: "v1.0.0"}
	plan, err := Make(decode(t, in), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"kubedns": "registry.example/dns/k8s-dns-kube-dns:v1.0.0",
		"dnsmasq": "registry.example/dns/k8s-dns-dnsmasq-nanny:v1.0.0",
		"sidecar": "registry.example/dns/k8s-dns-sidecar:v1.0.0",
	}
	if diff := cmp.Diff(want, plan.Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	files, err := plan.Files()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(in, "\n---\n")
	again := string(files["deployment.yaml"]) + "---\n" + rest
	_, err = Make(decode(t, again), opts)
	if err == nil || !strings.HasSuffix(err.Error(), "runs kube-dns already: nothing to do") {
		t.Errorf("the second time: got %v", err)
	}
}

// A plan warns of anything that would undo it.
func TestNotes(t *testing.T) {
	in := readFile(t, "testdata/kubeadm/in.yaml") + `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: dns-autoscaler}
spec: {template: {spec: {containers: [{name: a, image: autoscaler, command: [/a, --target=Deployment/coredns]}]}}}
`
	plan, err := Make(decode(t, in), Options{To: KubeDNS})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(plan.Notes, "\n")
	for _, want := range []string{"deployment/dns-autoscaler scales deployment/coredns", "--skip-phases=addon/coredns",
		"port 9153"} {
		if !strings.Contains(all, want) {
			t.Errorf("there is no %q in\n%s", want, all)
		}
	}
}

func TestMakeErrors(t *testing.T) {
	kubeadm := readFile(t, "testdata/kubeadm/in.yaml")
	replaced := func(old, with string) string { return strings.ReplaceAll(kubeadm, old, with) }
	const other = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
	for name, tt := range map[string]struct {
		in   string
		opts Options
		want string
	}{
		"nothing": {"", Options{To: KubeDNS}, "no Deployment in namespace kube-system has an image coredns: there " +
			"are no Deployments; name the namespace with -n"},
		"others": {other, Options{To: KubeDNS}, "no Deployment in namespace kube-system has an image coredns: the " +
			"Deployments there are web; name the namespace with -n"},
		"already": {kubeadm, Options{To: CoreDNS},
			"there is no kube-dns in namespace kube-system, and deployment/coredns runs coredns already: " +
				"nothing to do"},
		"code": {kubeadm, Options{To: KubeDNS, Accept: []string{"MG99"}}, "--accept MG99: there is no such code"},
		"no map": {replaced("name: coredns, namespace: kube-system}\ndata", "name: other}\ndata"), Options{To: KubeDNS},
			"deployment/coredns mounts the ConfigMap coredns at /etc/coredns, and namespace kube-system has none of " +
				"that name"},
		"no key": {replaced("  Corefile: |", "  Other: |"), Options{To: KubeDNS},
			"deployment/coredns reads /etc/coredns/Corefile, and no ConfigMap that it mounts has that file: mounted " +
				"are none"},
		"brace": {replaced("        forward . 192.0.2.1:5353\n    }", "        forward . 192.0.2.1:5353"),
			Options{To: KubeDNS}, "the Corefile of deployment/coredns: /etc/coredns/Corefile:21: this brace is never " +
				"closed"},
		"import": {replaced("        loop\n", "        import missing\n"), Options{To: KubeDNS},
			"the Corefile of deployment/coredns: /etc/coredns/Corefile:17: import missing: there is no such snippet, " +
				"and no " +
				"ConfigMap of the Deployment has /etc/coredns/missing; no other file is mounted"},
		"service": {replaced("name: kube-dns\n", "name: other\n  namespace: elsewhere\n"), Options{To: KubeDNS},
			"no Service in namespace kube-system on port 53 is named kube-dns or selects the pods of " +
				"deployment/coredns " +
				"(k8s-app=kube-dns): found none"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "service" {
				tt.in = strings.Replace(tt.in, "  namespace: kube-system\n  annotations", "  annotations", 1)
			}
			_, err := Make(decode(t, tt.in), tt.opts)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
