package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestHelm takes over a kube-dns with the chart, changes its configuration, and uninstalls it, like
// Helm 4 by default and like Helm 3: objects that the chart did not create remain.
func TestHelm(t *testing.T) {
	helm := goTool(t, "helm")
	for name, mode := range map[string]string{"server side": "--force-conflicts", "client side": "--server-side=false"} {
		t.Run(name, func(t *testing.T) { testHelm(t, helm, mode) })
	}
}

func testHelm(t *testing.T, helm, mode string) {
	installStock(t)
	chart := []string{"kube-dns", "../charts/kube-dns", "--namespace=kube-system",
		"--set=image.registry=registry.example/dns"}
	if out, err := try(t, "", helm, append([]string{"install", "--take-ownership", mode}, chart...)...); err == nil ||
		!strings.Contains(out, "clusterDomain=prod.example") {
		t.Errorf("install with another zone: got %v, %s", err, out)
	}
	chart = append(chart, "--set=clusterDomain=prod.example", mode)
	stubs := `{"acme.example": ["192.0.2.1"]}`
	own, both := map[string]string{"stubDomains": stubs},
		map[string]string{"stubDomains": stubs, "upstreamNameservers": `["192.0.2.3"]`}
	steps := []struct {
		name     string
		args     []string
		replicas int32
		config   map[string]string
	}{
		{"install", append([]string{"install", "--take-ownership"}, chart...), 3, own},
		{"with upstreams", append([]string{"upgrade", "--take-ownership", "--set=config.upstreamNameservers={192.0.2.3}"},
			chart...), 3, both},
		{"without config", append([]string{"upgrade"}, chart...), 3, both},
		{"with the autoscaler", append([]string{"upgrade",
			"--set=autoscaler.enabled=true,autoscaler.image=registry.example/cpa:v1"}, chart...), 5, both},
		{"without the autoscaler", append([]string{"upgrade"}, chart...), 5, both},
		{"rollback", []string{"rollback", "kube-dns", "4", "--namespace=kube-system", mode}, 5, both},
	}
	for _, step := range steps {
		if step.replicas == 5 {
			kubectl(t, "", "-n", "kube-system", "scale", "deployment/kube-dns", "--replicas=5")
		}
		tool(t, "", helm, step.args...)
		l := lookAt(t)
		if got := *l.deployment.Spec.Replicas; got != step.replicas {
			t.Errorf("%s: got %d replicas, want %d", step.name, got, step.replicas)
		}
		if diff := cmp.Diff(step.config, l.config); diff != "" {
			t.Errorf("%s: data of the ConfigMap (-want +got):\n%s", step.name, diff)
		}
		for kind, labels := range map[string]map[string]string{"Deployment": l.deployment.Labels,
			"Service": l.service.Labels} {
			if got := labels["addonmanager.kubernetes.io/mode"]; got != "EnsureExists" {
				t.Errorf("%s: the %s has the add-on manager's mode %q", step.name, kind, got)
			}
		}
	}
	tool(t, "", helm, "uninstall", "kube-dns", "--namespace=kube-system")
	l := lookAt(t)
	if l.deployment != nil || l.service.Spec.ClusterIP != "10.96.0.53" {
		t.Errorf("after uninstall: deployment %v, address %s", l.deployment, l.service.Spec.ClusterIP)
	}
	if diff := cmp.Diff(both, l.config); diff != "" {
		t.Errorf("after uninstall: data of the ConfigMap (-want +got):\n%s", diff)
	}
}

// TestHelmAfterOverlay takes over the objects of an overlay, with the commands of docs/install.md,
// and goes back to the overlay.
func TestHelmAfterOverlay(t *testing.T) {
	withoutKubeDNS(t)
	objects := renderManifests(t, "../manifests/overlays/modern")
	apply := func() {
		for _, object := range objects {
			text, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			kubectl(t, string(text), "apply", "-f", "-")
		}
	}
	apply()
	kubectl(t, "", "-n", "kube-system", "scale", "deployment/kube-dns", "--replicas=3")
	address := lookAtService(t).Spec.ClusterIP

	docs, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(docs), "    options=\"--namespace kube-system")
	script, _, ok := strings.Cut(script, "\n\n")
	if !ok {
		t.Fatal("docs/install.md has no commands that take over what runs")
	}
	out := tool(t, "", "bash", "-c", "cd ..; options=\"--namespace kube-system"+script)
	for _, want := range []string{"+        image: registry.example/dns/k8s-dns-kube-dns:v1.0.0", "STATUS: deployed"} {
		if !strings.Contains(out, want) {
			t.Errorf("the commands do not print %q:\n%s", want, out)
		}
	}
	for _, object := range objects {
		kind := strings.ToLower(object.GetKind())
		got := kubectl(t, "", "-n", "kube-system", "get", kind, object.GetName(), "-o",
			`jsonpath={.metadata.labels.app\.kubernetes\.io/managed-by} {.metadata.labels.addonmanager\.kubernetes\.io/mode}`)
		if got != "Helm EnsureExists" {
			t.Errorf("%s %s has the labels %q", kind, object.GetName(), got)
		}
	}
	deployments := rig.cluster.client.AppsV1().Deployments("kube-system")
	d, err := deployments.Get(t.Context(), "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := lookAtService(t).Spec.ClusterIP; *d.Spec.Replicas != 3 || got != address {
		t.Errorf("got %d replicas at %s, want 3 at %s", *d.Spec.Replicas, got, address)
	}

	tool(t, "", "bash", "-c", uninstalling(t, docs, "| Helm, keeping the pods |"))
	apply()
	if d, err = deployments.Get(t.Context(), "kube-dns", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if image := d.Spec.Template.Spec.Containers[0].Image; *d.Spec.Replicas != 3 ||
		strings.HasPrefix(image, "registry.example/") {
		t.Errorf("back at the overlay: got %d replicas of %s", *d.Spec.Replicas, image)
	}

	tool(t, "", "bash", "-c", uninstalling(t, docs, "| `kubectl` |"))
	var left []string
	for _, object := range objects {
		name := strings.ToLower(object.GetKind()) + "/" + object.GetName()
		if kubectl(t, "", "-n", "kube-system", "get", "--ignore-not-found", "-o", "name", name) != "" {
			left = append(left, name)
		}
	}
	if diff := cmp.Diff([]string{"serviceaccount/kube-dns", "service/kube-dns"}, left); diff != "" {
		t.Errorf("after the commands that uninstall (-want +got):\n%s", diff)
	}
}

// uninstalling returns the commands in a row of docs/install.md.
func uninstalling(t *testing.T, docs []byte, row string) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(docs), "\n"+row)
	rest, _, _ = strings.Cut(rest, "\n")
	commands := regexp.MustCompile("`(kubectl [^`]+)`").FindAllStringSubmatch(rest, -1)
	if !ok || len(commands) == 0 {
		t.Fatalf("docs/install.md has no row %q with commands", row)
	}
	script := "set -e"
	for _, c := range commands {
		script += "\n" + c[1]
	}
	return script
}

// TestHelmDryRun checks the rendered chart like TestManifestsDryRun.
func TestHelmDryRun(t *testing.T) {
	helm := goTool(t, "helm")
	for _, shape := range []string{"clusterFirst", "lean"} {
		t.Run(shape, func(t *testing.T) {
			out := tool(t, "", helm, "template", "kube-dns", "../charts/kube-dns", "--namespace=kube-system",
				"--set=clusterIP=10.96.0.10",
				"--set=image.registry=registry.example/dns,nodeLocal.enabled=true,dualStack=true,"+shape+"=true")
			client, warnings := warningClient(t)
			for doc := range strings.SplitSeq(out, "\n---\n") {
				dryRun(t, client, decoded(t, doc))
			}
			if list := warnings.list(); len(list) > 0 {
				t.Errorf("the API server warns: %q", list)
			}
		})
	}
}
