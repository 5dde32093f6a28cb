package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// folders are base and all overlays, with the Pod Security Standard of their pods and the oldest
// release of Kubernetes with all their fields.
var folders = map[string]struct {
	level   api.Level
	release string
}{
	"base":                   {api.LevelBaseline, "1.16"},
	"overlays/drop-in":       {api.LevelBaseline, "1.22"}, // 1.19 as such
	"overlays/modern":        {api.LevelRestricted, "1.22"},
	"overlays/cluster-first": {api.LevelRestricted, "1.22"},
	"overlays/lean":          {api.LevelRestricted, "1.22"},
	"overlays/dual-stack":    {api.LevelRestricted, "1.22"},
	"overlays/node-local":    {api.LevelRestricted, "1.22"},
	"overlays/autoscaler":    {api.LevelRestricted, "1.22"},
	"overlays/canary":        {api.LevelRestricted, "1.22"},
	"overlays/example":       {api.LevelRestricted, "1.22"},
}

// releases are those of the folder api, oldest first, with their arguments for go run.
var releases = []struct {
	name string
	args []string
}{
	{"1.16", []string{"-modfile=api/1.16.mod", "-tags=api116"}},
	{"1.22", []string{"-modfile=api/1.22.mod"}},
	{"1.28", []string{"-modfile=api/1.28.mod"}},
	{"newest", nil},
}

func TestEveryOverlayIsHere(t *testing.T) {
	overlays, err := filepath.Glob("../../manifests/overlays/*")
	if err != nil || len(overlays) == 0 {
		t.Fatalf("overlays: %v, %v", overlays, err)
	}
	for _, path := range overlays {
		if name := "overlays/" + filepath.Base(path); folders[name].level == "" {
			t.Errorf("%s is not among the folders that are tested", name)
		}
	}
	components, err := filepath.Glob("../../manifests/components/*")
	if err != nil {
		t.Fatal(err)
	}
	used, err := exec.CommandContext(t.Context(), "grep", "-rho", "components/[a-z-]*",
		"../../manifests/overlays").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range components {
		name := "components/" + filepath.Base(path)
		if !slices.Contains(strings.Fields(string(used)), name) {
			t.Errorf("%s is in no overlay and so untested", name)
		}
	}
}

// TestReleases decodes the rendered objects into the API types of several releases and refuses
// unknown fields.
func TestReleases(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the API types of four releases")
	}
	dir := t.TempDir()
	for _, r := range releases {
		args := slices.Concat([]string{"run"}, r.args, []string{"./api"})
		for folder, want := range folders {
			if releaseIndex(t, r.name) < releaseIndex(t, want.release) {
				continue
			}
			path := filepath.Join(dir, strings.ReplaceAll(folder, "/", "-")+".yaml")
			if err := os.WriteFile(path, rendered(t, folder), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
		t.Run(r.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "go", args...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func releaseIndex(t *testing.T, name string) int {
	t.Helper()
	for i, r := range releases {
		if r.name == name {
			return i
		}
	}
	t.Fatalf("no release %s", name)
	return 0
}

func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for folder, want := range folders {
		t.Run(folder, func(t *testing.T) {
			for _, d := range deployments(t, folder) {
				pod := d.Spec.Template
				results := evaluator.EvaluatePod(api.LevelVersion{Level: want.level, Version: api.LatestVersion()},
					&pod.ObjectMeta, &pod.Spec)
				for _, r := range results {
					if !r.Allowed {
						t.Errorf("%s is not %s: %s: %s", d.Name, want.level, r.ForbiddenReason, r.ForbiddenDetail)
					}
				}
			}
		})
	}
}

// TestDropIn checks that arguments, volumes and rights are those of existing clusters.
func TestDropIn(t *testing.T) {
	objects, err := render.Objects(rendered(t, "overlays/drop-in"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Deployment kube-dns", "Service kube-dns", "ServiceAccount kube-dns"}
	var got []string
	for key := range objects {
		got = append(got, key)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	pod := kubeDNS(t, "overlays/drop-in")
	if len(pod.Volumes) != 1 || pod.Volumes[0].ConfigMap == nil {
		t.Errorf("got volumes %v, want the ConfigMap alone", pod.Volumes)
	}
	args := map[string][]string{}
	for _, c := range pod.Containers {
		args[c.Name] = expanded(c)
		if mounts := len(c.VolumeMounts); mounts > 1 {
			t.Errorf("container %s has %d volumes mounted, want at most the ConfigMap", c.Name, mounts)
		}
	}
	const zone = "cluster.local"
	stock := map[string][]string{
		"kubedns": {"--domain=" + zone + ".", "--dns-port=10053", "--config-dir=/kube-dns-config", "--v=2"},
		"dnsmasq": {
			"-v=2", "-configDir=/etc/k8s/dns/dnsmasq-nanny", "-restartDnsmasq=true", "--", "-k", "--cache-size=1000",
			"--no-negcache", "--dns-loop-detect", "--log-facility=-", "--server=/" + zone + "/127.0.0.1#10053",
			"--server=/in-addr.arpa/127.0.0.1#10053", "--server=/ip6.arpa/127.0.0.1#10053",
		},
		"sidecar": {
			"--v=2", "--probe=kubedns,127.0.0.1:10053,kubernetes.default.svc." + zone + ",5,SRV",
			"--probe=dnsmasq,127.0.0.1:53,kubernetes.default.svc." + zone + ",5,SRV",
		},
	}
	if diff := cmp.Diff(stock, args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

// TestStopOrder checks that the server on port 53 stops first, and that all stop within the
// pod's grace period of 30 seconds. The nanny needs 2 more seconds for dnsmasq.
func TestStopOrder(t *testing.T) {
	for folder := range folders {
		t.Run(folder, func(t *testing.T) {
			lameduck := map[string]time.Duration{"kubedns": 28 * time.Second, "dnsmasq": 25 * time.Second,
				"sidecar": 28 * time.Second}
			front, inPod := "", map[string]bool{}
			for _, c := range kubeDNS(t, folder).Containers {
				for _, arg := range c.Args {
					if text, ok := strings.CutPrefix(strings.TrimLeft(arg, "-"), "lameduck="); ok {
						d, err := time.ParseDuration(text)
						if err != nil {
							t.Fatal(err)
						}
						lameduck[c.Name] = d
					}
				}
				inPod[c.Name] = true
				for _, p := range c.Ports {
					if p.ContainerPort == 53 {
						front = c.Name
					}
				}
			}
			other := map[string]string{"kubedns": "dnsmasq", "dnsmasq": "kubedns"}[front]
			if other == "" {
				t.Fatalf("port 53 is that of %q", front)
			}
			if inPod[other] && lameduck[front]+2*time.Second > lameduck[other] {
				t.Errorf("%s stops after %v, too late for %s at %v", front, lameduck[front], other, lameduck[other])
			}
			if !inPod["dnsmasq"] {
				lameduck["dnsmasq"] = 0
			}
			if all := max(lameduck["dnsmasq"]+2*time.Second, lameduck["kubedns"],
				lameduck["sidecar"]); all > 29*time.Second {
				t.Errorf("the last one stops after %v, which is not within the grace period of 30 s", all)
			}
		})
	}
}

// rendered returns the YAML of a folder.
func rendered(t *testing.T, folder string) []byte {
	t.Helper()
	manifests, err := render.Load("../../manifests", render.Default())
	if err != nil {
		t.Fatal(err)
	}
	out, err := manifests.YAML(folder)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// deployments returns the Deployments of a folder.
func deployments(t *testing.T, folder string) []*appsv1.Deployment {
	t.Helper()
	var out []*appsv1.Deployment
	for _, doc := range render.Documents(rendered(t, folder)) {
		var header struct{ Kind string }
		if err := yaml.Unmarshal(doc, &header); err != nil {
			t.Fatal(err)
		}
		if header.Kind != "Deployment" {
			continue
		}
		d := new(appsv1.Deployment)
		if err := yaml.UnmarshalStrict(doc, d); err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// kubeDNS returns the pod of a folder.
func kubeDNS(t *testing.T, folder string) corev1.PodSpec {
	t.Helper()
	for _, d := range deployments(t, folder) {
		if d.Name == "kube-dns" || d.Name == "kube-dns-canary" {
			return d.Spec.Template.Spec
		}
	}
	t.Fatalf("%s has no Deployment kube-dns", folder)
	return corev1.PodSpec{}
}
