// Package chart compares the Helm chart with the manifests.
package chart

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/kube-dns/kube-dns/manifests/check/render"
)

const dir = "../../../charts/kube-dns"

// TestSameAsManifests renders the chart with values and compares the objects with
// those of an overlay. They differ in the labels of the tools that apply them, and in
// the registry and tag of the images.
func TestSameAsManifests(t *testing.T) {
	for _, tt := range []struct {
		folder string
		values map[string]any
	}{
		{"base", map[string]any{"modern": false, "replicas": nil}},
		{"overlays/modern", nil},
		{"overlays/cluster-first", map[string]any{"clusterFirst": true}},
		{"overlays/dual-stack", map[string]any{"dualStack": true}},
		{"overlays/node-local", map[string]any{"nodeLocal": true}},
		{"overlays/autoscaler", map[string]any{"autoscaler": map[string]any{"enabled": true}}},
		{"overlays/example", map[string]any{
			"dualStack": true, "replicas": 3, "clusterDomain": "k8s.example.",
			"image": map[string]any{"registry": "registry.example/dns", "tag": "v1.0.0"},
		}},
	} {
		t.Run(tt.folder, func(t *testing.T) {
			manifests, err := tree.YAML(tt.folder)
			if err != nil {
				t.Fatal(err)
			}
			want, got := objects(t, manifests), objects(t, chart(t, tt.values))
			delete(want, "ConfigMap kube-dns") // the chart writes it only when it has something to say
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the chart with %v differs from the manifests (-manifests +chart):\n%s", tt.values, diff)
			}
		})
	}
}

// TestConfig shows that the chart writes what kube-dns reads.
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

// TestRefused shows values that cannot work.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		values map[string]any
		want   string
	}{
		{map[string]any{"clusterFirst": true, "modern": false}, "clusterFirst needs modern"},
		{map[string]any{"clusterIP": ""}, "--cluster-dns"},
	} {
		if _, err := execute(t, tt.values); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("values %v: got error %v, want one with %q", tt.values, err, tt.want)
		}
	}
}

// chart is the YAML of the chart with these values.
func chart(t *testing.T, values map[string]any) []byte {
	t.Helper()
	files, err := execute(t, values)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") {
			all.WriteString(render.Separator + strings.Trim(text, "\n") + "\n")
		}
	}
	return all.Bytes()
}

func execute(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "kube-dns", Namespace: "kube-system"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Render(c, all)
}

// objects decodes a stream without what may differ.
func objects(t *testing.T, stream []byte) map[string]map[string]any {
	t.Helper()
	all, err := render.Objects(stream)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, stream)
	}
	for _, o := range all {
		neutral(o)
		if data, ok := o["data"].(map[string]any); ok {
			parseJSON(t, data)
		}
	}
	return all
}

// parseJSON replaces texts by what they mean, since JSON has many forms.
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

// neutral removes labels of tools, empty fields, and registries and tags of images,
// everywhere below o.
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
			if key == "labels" && len(v) == 0 {
				delete(o, key)
			}
		case []any:
			if len(v) == 0 {
				delete(o, key)
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
