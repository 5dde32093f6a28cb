package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// TestGenerated checks that the generated files match the command's output, and that the chart has
// no other files.
func TestGenerated(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got := read(t, name); got != string(want) {
			t.Errorf("%s is out of date: run \"go -C tools run ./monitoring\"", name)
		}
	}
	copies, err := chartFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range copies {
		if files[name] == nil {
			t.Errorf("%s has no original: run \"go -C tools run ./monitoring\"", name)
		}
	}
}

// scraped are the metrics ports of a pod, by container. drop-in keeps the arguments of upstream,
// where the nanny has no port. lean has no dnsmasq.
func scraped(folder string) map[string]int32 {
	ports := map[string]int32{"sidecar": 10054, "kubedns": 10055, "dnsmasq": 10056}
	if folder == "overlays/drop-in" || folder == "overlays/lean" {
		delete(ports, "dnsmasq")
	}
	return ports
}

// TestScraped checks that the PodMonitor and scrape.yaml select exactly the metrics of all
// processes in the pods of each overlay.
func TestScraped(t *testing.T) {
	tree, err := render.Load(root+"/manifests", render.Default())
	if err != nil {
		t.Fatal(err)
	}
	names, numbers := monitoredNames(t), scrapedNumbers(t)
	for _, dir := range append(paths(t, "manifests/overlays/*"), "manifests/base") {
		folder := dir[len("manifests/"):]
		t.Run(folder, func(t *testing.T) {
			stream, err := tree.YAML(folder)
			if err != nil {
				t.Fatal(err)
			}
			byName, byNumber := map[string]int32{}, map[string]int32{}
			for _, c := range containers(t, stream) {
				for _, p := range c.Ports {
					if slices.Contains(names, p.Name) {
						byName[c.Name] = p.ContainerPort
					}
					if numbers.MatchString(fmt.Sprintf("%s:%d", c.Name, p.ContainerPort)) {
						byNumber[c.Name] = p.ContainerPort
					}
				}
			}
			want := fmt.Sprint(scraped(folder))
			if got := fmt.Sprint(byName); got != want {
				t.Errorf("the PodMonitor scrapes %s, want %s", got, want)
			}
			if got := fmt.Sprint(byNumber); got != want {
				t.Errorf("scrape.yaml scrapes %s, want %s", got, want)
			}
		})
	}
}

// TestNodeCacheScraped checks that the ServiceMonitor selects the Service of node-cache, and that
// both it and scrape.yaml have node-cache's port.
func TestNodeCacheScraped(t *testing.T) {
	tree, err := render.Load(root+"/manifests", render.Default())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := tree.YAML("overlays/node-local")
	if err != nil {
		t.Fatal(err)
	}
	var monitor struct {
		Spec struct {
			JobLabel  string
			Selector  struct{ MatchLabels map[string]string }
			Endpoints []struct{ Port string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "monitoring/operator/servicemonitor.yaml")), &monitor); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, doc := range render.Documents(stream) {
		var s corev1.Service
		if err := yaml.Unmarshal(doc, &s); err != nil || s.Kind != "Service" || s.Name != "node-local-dns" {
			continue
		}
		want := monitor.Spec.Selector.MatchLabels["k8s-app"]
		if s.Labels["k8s-app"] != want || monitor.Spec.JobLabel != "k8s-app" {
			t.Errorf("the Service has labels %v, the ServiceMonitor wants k8s-app=%s", s.Labels, want)
		}
		for _, p := range s.Spec.Ports {
			found = found || p.Name == monitor.Spec.Endpoints[0].Port && p.Port == 9253
		}
	}
	if !found {
		t.Error("no Service node-local-dns has the port of the ServiceMonitor with number 9253")
	}
	if !strings.Contains(read(t, "monitoring/scrape.yaml"), `"$1:9253"`) {
		t.Error("scrape.yaml does not scrape node-cache at port 9253")
	}
}

// containers returns the containers of the Deployment kube-dns.
func containers(t *testing.T, stream []byte) []corev1.Container {
	t.Helper()
	for _, doc := range render.Documents(stream) {
		var d appsv1.Deployment
		if err := yaml.Unmarshal(doc, &d); err == nil && d.Kind == "Deployment" && strings.HasPrefix(d.Name, "kube-dns") {
			return d.Spec.Template.Spec.Containers
		}
	}
	t.Fatal("there is no Deployment kube-dns")
	return nil
}

// monitoredNames returns the names of ports in the PodMonitor kube-dns.
func monitoredNames(t *testing.T) []string {
	t.Helper()
	var object struct {
		Metadata struct{ Name string }
		Spec     struct {
			JobLabel            string
			PodMetricsEndpoints []struct{ Port string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "monitoring/operator/podmonitor.yaml")), &object); err != nil {
		t.Fatal(err)
	}
	if object.Metadata.Name != "kube-dns" || object.Spec.JobLabel != "k8s-app" {
		t.Fatalf("got %+v, want the PodMonitor kube-dns with the job k8s-app", object)
	}
	var names []string
	for _, e := range object.Spec.PodMetricsEndpoints {
		names = append(names, e.Port)
	}
	return names
}

// scrapedNumbers returns the ports that the job kube-dns in scrape.yaml keeps, as container:port.
func scrapedNumbers(t *testing.T) *regexp.Regexp {
	t.Helper()
	var file struct {
		Jobs []struct {
			Name    string                           `json:"job_name"`
			Relabel []struct{ Regex, Action string } `json:"relabel_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "monitoring/scrape.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, job := range file.Jobs {
		for _, r := range job.Relabel {
			if job.Name == "kube-dns" && r.Action == "keep" {
				return regexp.MustCompile("^(?:" + r.Regex + ")$")
			}
		}
	}
	t.Fatal("scrape.yaml: the job kube-dns keeps no ports")
	return nil
}
