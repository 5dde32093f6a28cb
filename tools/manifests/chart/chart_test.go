// Package chart compares the Helm chart with the manifests.
package chart

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

const dir = "../../../charts/kube-dns"

// TestSameAsManifests renders the chart with values and compares the objects with
// those of an overlay. They differ in labels and annotations for the tools that apply
// them, in the number of pods, and in the form of the zone.
func TestSameAsManifests(t *testing.T) {
	for _, tt := range []struct {
		folder string
		values map[string]any
	}{
		{"base", map[string]any{"modern": false}},
		{"overlays/modern", nil},
		{"overlays/cluster-first", map[string]any{"clusterFirst": true}},
		{"overlays/lean", map[string]any{"lean": true}},
		{"overlays/dual-stack", map[string]any{"dualStack": true}},
		{"overlays/node-local", map[string]any{"nodeLocal": map[string]any{"enabled": true}}},
		{"overlays/node-local-ipvs", map[string]any{"nodeLocal": map[string]any{"enabled": true, "mode": "ipvs"}}},
		{"overlays/network-policy", map[string]any{"networkPolicy": map[string]any{"enabled": true}}},
		{"overlays/autoscaler", map[string]any{"autoscaler": map[string]any{"enabled": true,
			"image": render.Default().AutoscalerImage}}},
		{"overlays/example", map[string]any{
			"dualStack": true, "clusterDomain": "k8s.example.",
			"image": map[string]any{"registry": "registry.example/dns", "tag": "v1.0.0"},
		}},
	} {
		t.Run(tt.folder, func(t *testing.T) {
			tree, err := render.Load("../../../manifests", render.Default())
			if err != nil {
				t.Fatal(err)
			}
			for _, component := range []string{"node-local-ipvs", "network-policy"} {
				text := "resources: [../modern]\ncomponents: [../../components/" + component + "]\n"
				if err := tree.Write("overlays/"+component+"/kustomization.yaml", []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			manifests, err := tree.YAML(tt.folder)
			if err != nil {
				t.Fatal(err)
			}
			want, got := objects(t, manifests), objects(t, chart(t, tt.values))
			delete(want, "ConfigMap kube-dns") // the chart writes it only for a config with content
			spec := got["Deployment kube-dns"]["spec"].(map[string]any)
			if spec["replicas"] != 2.0 {
				t.Errorf("the chart has %v replicas where nothing runs, want 2", spec["replicas"])
			}
			delete(spec, "replicas")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the chart with %v differs from the manifests (-manifests +chart):\n%s", tt.values, diff)
			}
		})
	}
}

// TestConfig checks that kube-dns reads the configuration of the chart.
func TestConfig(t *testing.T) {
	all := objects(t, chart(t, map[string]any{"config": map[string]any{
		"stubDomains":         map[string]any{"acme.example": []any{"192.0.2.1"}},
		"upstreamNameservers": []any{"192.0.2.3"},
		"federations":         "west=west.example",
	}}))
	want := map[string]any{
		"stubDomains":         map[string]any{"acme.example": []any{"192.0.2.1"}},
		"upstreamNameservers": []any{"192.0.2.3"},
		"federations":         "west=west.example",
	}
	if diff := cmp.Diff(want, all["ConfigMap kube-dns"]["data"]); diff != "" {
		t.Errorf("data of the ConfigMap (-want +got):\n%s", diff)
	}
}

// chart returns the YAML of the chart with these values.
func chart(t *testing.T, values map[string]any) []byte {
	t.Helper()
	files, err := execute(t, values)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") && !strings.Contains(name, "/tests/") {
			all.WriteString(render.Separator + strings.Trim(text, "\n") + "\n")
		}
	}
	return all.Bytes()
}

// execute renders the chart for a cluster without kube-dns.
func execute(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	return executeIn(t, values, "v1.36.0")
}

// executeIn renders the chart for a release of Kubernetes with these existing objects.
func executeIn(t *testing.T, values map[string]any, release string, existing ...runtime.Object) (map[string]string,
	error) {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	capabilities := common.DefaultCapabilities.Copy()
	version, err := common.ParseKubeVersion(release)
	if err != nil {
		t.Fatal(err)
	}
	capabilities.KubeVersion = *version
	given := map[string]any{"clusterIP": "10.96.0.10", "image": map[string]any{"registry": "localhost"}}
	maps.Copy(given, values)
	all, err := util.ToRenderValues(c, given, common.ReleaseOptions{Name: "kube-dns", Namespace: "kube-system"},
		capabilities)
	if err != nil {
		return nil, err
	}
	return engine.RenderWithClientProvider(c, all, cluster{fake.NewSimpleDynamicClient(scheme.Scheme, existing...)})
}

// A cluster has the objects that the chart looks up.
type cluster struct{ client dynamic.Interface }

// GetClientFor implements engine.ClientProvider.
func (c cluster) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, false, err
	}
	return c.client.Resource(version.WithResource(strings.ToLower(kind) + "s")), true, nil
}

// objects decodes a stream without the parts that can differ.
func objects(t *testing.T, stream []byte) map[string]map[string]any {
	t.Helper()
	all, err := render.Objects(stream)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, stream)
	}
	for _, o := range all {
		expand(o)
		neutral(o)
		if data, ok := o["data"].(map[string]any); ok {
			parseJSON(t, data)
		}
	}
	return all
}

// parseJSON replaces JSON texts with their values, since JSON has many forms.
func parseJSON(t *testing.T, data map[string]any) {
	t.Helper()
	for key, text := range data {
		var value any
		if err := json.Unmarshal([]byte(text.(string)), &value); err != nil {
			continue // another syntax
		}
		data[key] = value
	}
}

// expand replaces the variables of the cluster in the arguments of a pod, like the kubelet, and
// removes them.
func expand(o map[string]any) {
	containers, _, _ := unstructured.NestedSlice(o, "spec", "template", "spec", "containers")
	for _, c := range containers {
		container := c.(map[string]any)
		env, _ := container["env"].([]any)
		container["env"] = slices.DeleteFunc(env, func(e any) bool {
			variable := e.(map[string]any)
			if variable["name"] != "CLUSTER_DOMAIN" && variable["name"] != "CLUSTER_DNS" {
				return false
			}
			args := container["args"].([]any)
			for i, arg := range args {
				args[i] = strings.ReplaceAll(arg.(string), "$("+variable["name"].(string)+")", variable["value"].(string))
			}
			return true
		})
	}
	if len(containers) > 0 {
		_ = unstructured.SetNestedSlice(o, containers, "spec", "template", "spec", "containers")
	}
}

// neutral removes labels and annotations of tools, empty fields, registries and tags of
// images, and the order of volumes, everywhere below o.
func neutral(o map[string]any) {
	for key, value := range o {
		switch v := value.(type) {
		case map[string]any:
			if key == "labels" {
				delete(v, "addonmanager.kubernetes.io/mode")
				delete(v, "app.kubernetes.io/managed-by")
				delete(v, "helm.sh/chart")
			}
			neutral(v)
			if key == "annotations" {
				delete(v, "helm.sh/resource-policy")
			}
			if (key == "labels" || key == "annotations") && len(v) == 0 {
				delete(o, key)
			}
		case []any:
			if len(v) == 0 {
				delete(o, key)
			}
			if key == "volumes" || key == "volumeMounts" {
				slices.SortFunc(v, func(a, b any) int {
					return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
				})
			}
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					neutral(m)
				}
			}
		case string:
			if key == "image" {
				o[key] = strings.TrimSuffix(strings.TrimPrefix(v, "localhost/"), ":dev")
			}
		case nil:
			delete(o, key)
		}
	}
}
