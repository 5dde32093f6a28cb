package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// foreign is a cluster without any default value.
var foreign = render.Cluster{
	Registry: "registry.example:5000/some/dns", Version: "v1.2.3_x", Zone: "prod.k8s.example", Address: "10.43.0.53",
	AutoscalerImage: "registry.example:5000/cpa:v1",
}

// TestCombinations renders base and each overlay with every set of additional components, in two
// orders, for a foreign cluster.
func TestCombinations(t *testing.T) {
	tree, err := render.Load("../../manifests", foreign)
	if err != nil {
		t.Fatal(err)
	}
	var components []string
	dirs, err := filepath.Glob("../../manifests/components/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		// The component lean must be last, so an overlay has it.
		if name := filepath.Base(dir); name != "cluster" && name != "lean" {
			components = append(components, name)
		}
	}
	parsers := newParsers(t)
	for folder := range folders {
		if folder == "overlays/example" || folder == "overlays/canary" {
			continue // its own cluster, and other names
		}
		text, err := os.ReadFile(filepath.Join("../../manifests", folder, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		free := slices.DeleteFunc(slices.Clone(components), func(c string) bool {
			return strings.Contains(string(text), "components/"+c+"\n")
		})
		for set := range 1 << len(free) {
			var chosen []string
			for i, c := range free {
				if set&(1<<i) != 0 {
					chosen = append(chosen, c)
				}
			}
			if slices.Contains(chosen, "node-local-ipvs") && (slices.Contains(chosen, "node-local") ||
				folder == "overlays/node-local") {
				continue // they exclude each other
			}
			if slices.Contains(chosen, "cluster-first") && folder == "overlays/lean" {
				continue // there is no dnsmasq
			}
			combination(t, tree, parsers, folder, chosen)
			slices.Reverse(chosen)
			combination(t, tree, parsers, folder, chosen)
		}
	}
}

func combination(t *testing.T, tree *render.Tree, parsers *parsers, folder string, components []string) {
	t.Helper()
	t.Run(strings.Join(append([]string{folder}, components...), "+"), func(t *testing.T) {
		text := "resources: [../../" + folder
		if folder == "base" {
			text += ", ../../cluster"
			components = append(slices.Clone(components), "cluster")
		}
		text += "]\ncomponents:\n"
		for _, c := range components {
			text += "  - ../../components/" + c + "\n"
		}
		if len(components) == 0 {
			text = "resources: [../../" + folder + "]\n"
		}
		if err := tree.Write("overlays/combination/kustomization.yaml", []byte(text)); err != nil {
			t.Fatal(err)
		}
		out, err := tree.YAML("overlays/combination")
		if err != nil {
			t.Fatal(err)
		}
		checkObjects(t, out, parsers)
	})
}

// checkObjects checks the objects that depend on the cluster.
func checkObjects(t *testing.T, stream []byte, parsers *parsers) {
	t.Helper()
	objects, err := render.Objects(stream)
	if err != nil {
		t.Fatal(err)
	}
	if objects["ConfigMap kube-dns-cluster"] != nil {
		t.Error("the ConfigMap kube-dns-cluster is among the objects to apply")
	}
	if got := objects["Service kube-dns"]["spec"].(map[string]any)["clusterIP"]; got != foreign.Address {
		t.Errorf("the Service has address %v, want %s", got, foreign.Address)
	}
	for key, object := range objects {
		if key == "DaemonSet node-local-dns" {
			checkNodeLocal(t, objects, foreign, parsers)
		}
		if !strings.HasPrefix(key, "Deployment ") {
			continue
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var d appsv1.Deployment
		if err := yaml.UnmarshalStrict(text, &d); err != nil {
			t.Fatal(err)
		}
		if d.Name != "kube-dns" {
			if got := d.Spec.Template.Spec.Containers[0].Image; got != foreign.AutoscalerImage {
				t.Errorf("%s has image %s, want %s", d.Name, got, foreign.AutoscalerImage)
			}
			continue
		}
		if d.Spec.Replicas != nil {
			t.Errorf("the Deployment has %d replicas, which would lower or raise those that run", *d.Spec.Replicas)
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			if !strings.HasPrefix(c.Image, foreign.Registry+"/k8s-dns-") || !strings.HasSuffix(c.Image,
				":"+foreign.Version) {
				t.Errorf("container %s has image %s", c.Name, c.Image)
			}
		}
		checkPod(t, d.Spec.Template.Spec, foreign.Zone)
		parsers.check(t, d.Spec.Template.Spec)
	}
}

// TestClusterIsComplete checks that an overlay fails to render while cluster.yaml lacks a value, as
// in the repository.
func TestClusterIsComplete(t *testing.T) {
	changes := map[string]func(*render.Cluster){
		"registry": func(c *render.Cluster) { c.Registry = "" },
		"version":  func(c *render.Cluster) { c.Version = "" },
		"zone":     func(c *render.Cluster) { c.Zone = "" },
		"address":  func(c *render.Cluster) { c.Address = "" },
	}
	for folder := range folders {
		if folder == "base" || folder == "overlays/example" {
			continue
		}
		for key, change := range changes {
			cluster := render.Default()
			change(&cluster)
			missing(t, folder, key, cluster)
		}
	}
	cluster := render.Default()
	cluster.AutoscalerImage = ""
	missing(t, "overlays/autoscaler", "autoscalerImage", cluster)
}

func missing(t *testing.T, folder, key string, cluster render.Cluster) {
	t.Helper()
	tree, err := render.Load("../../manifests", cluster)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.YAML(folder); err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("%s without %s: got error %v, want one that names it", folder, key, err)
	}
}

// TestClusterFile uncomments the keys of cluster.yaml like a person.
func TestClusterFile(t *testing.T) {
	data, err := os.ReadFile("../../manifests/cluster/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Data render.Cluster }
	if err := yaml.Unmarshal(data, &object); err != nil || object.Data != (render.Cluster{}) {
		t.Errorf("cluster.yaml: got %v, %v; want no values", object.Data, err)
	}
	text := string(data)
	for _, key := range []string{"registry", "version", "zone", "address", "autoscalerImage"} {
		if !strings.Contains(text, "  # "+key+": ") {
			t.Errorf("cluster.yaml has no comment for %s", key)
		}
		text = strings.Replace(text, "  # "+key+": ", "  "+key+": ", 1)
	}
	tree, err := render.Load("../../manifests", render.Cluster{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Write("cluster/cluster.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	for folder := range folders {
		if _, err := tree.YAML(folder); err != nil {
			t.Error(err)
		}
	}
}

// TestNoPatchByIndex requires patches by container name: a patch by index changes another argument
// after the list has changed.
func TestNoPatchByIndex(t *testing.T) {
	for _, pattern := range []string{"../../manifests/*/kustomization.yaml", "../../manifests/*/*/kustomization.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				for _, index := range []string{fmt.Sprintf("/%d", i), fmt.Sprintf(".%d", i)} {
					if strings.Contains(string(text), "containers"+index) || strings.Contains(string(text),
						"args"+index) {
						t.Errorf("%s patches by index %s", path, index)
					}
				}
			}
		}
	}
}
