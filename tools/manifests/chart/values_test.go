package chart

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"k8s.io/apimachinery/pkg/runtime"
)

// A trial sets one value to a value other than its default.
type trial struct {
	value any
	with  map[string]any // other values, in both renderings
	want  string         // a text that is rendered only with the value
	gone  string         // or a text that is rendered only without it
}

// nest returns values with v at a path.
func nest(path []string, v any) map[string]any {
	for _, key := range slices.Backward(path) {
		v = map[string]any{key: v}
	}
	return v.(map[string]any)
}

// list returns a list with one item.
func list(item any) []any { return []any{item} }

// trials has a trial for each value in values.yaml, by its path.
func trials() map[string]trial {
	volume := map[string]any{"volumes": list(map[string]any{"name": "extra", "emptyDir": map[string]any{}})}
	cache, scaled := nest([]string{"nodeLocal", "enabled"}, true), map[string]any{"autoscaler": map[string]any{
		"enabled": true, "image": "registry.example/cpa:v1"}}
	all := map[string]trial{
		"image.registry":       {value: "registry.example/dns", want: `image: "registry.example/dns/k8s-dns-kube-dns:dev"`},
		"image.tag":            {value: "v9", want: `/k8s-dns-sidecar:v9"`},
		"image.pullPolicy":     {value: "Always", want: "imagePullPolicy: Always"},
		"image.pullSecrets":    {value: list(map[string]any{"name": "key"}), want: `imagePullSecrets: [{"name":"key"}]`},
		"clusterIP":            {value: "10.96.0.53", want: `clusterIP: "10.96.0.53"`},
		"clusterDomain":        {value: "k8s.example", want: "- --domain=k8s.example."},
		"replicas":             {value: 4, want: "replicas: 4"},
		"modern":               {value: false, want: "add: [NET_BIND_SERVICE, SETGID]"},
		"besideOthers":         {value: true, want: "selects pods of coredns too"},
		"clusterFirst":         {value: true, want: "--forward=127.0.0.1:10053"},
		"lean":                 {value: true, want: "- --direct\n"},
		"dualStack":            {value: true, want: "ipFamilyPolicy: PreferDualStack"},
		"nodeLocal.enabled":    {value: true, want: "kind: DaemonSet"},
		"nodeLocal.mode":       {value: "ipvs", with: cache, want: "-localip=169.254.20.10\n"},
		"nodeLocal.localIP":    {value: "169.254.25.10", with: cache, want: "-localip=169.254.25.10,10.96.0.10"},
		"nodeLocal.healthPort": {value: 9254, with: cache, want: "-health-port=9254"},
		"nodeLocal.image":      {value: "registry.example/cache:v2", with: cache, want: `image: "registry.example/cache:v2"`},
		"nodeLocal.resources.requests": {value: map[string]any{"cpu": "26m"}, with: cache,
			want: `resources: {"requests":{"cpu":"26m","memory":"40Mi"}}`},
		"nodeLocal.tracked":    {value: true, with: cache, want: "-tracked=true"},
		"nodeLocal.podMonitor": {value: true, with: cache, want: "kind: PodMonitor"},
		"nodeLocal.extraArgs":  {value: list("-lameduck=5s"), with: cache, want: `- "-lameduck=5s"`},
		"endpointSlices":       {value: false, gone: "kube-dns-endpointslices"},
		"autoscaler.enabled": {value: true, with: nest([]string{"autoscaler", "image"}, "registry.example/cpa:v1"),
			want: "kube-dns-autoscaler"},
		"autoscaler.image": {value: "registry.example/cpa:v2", with: nest([]string{"autoscaler", "enabled"}, true),
			want: "registry.example/cpa:v2"},
		"autoscaler.linear.nodesPerReplica": {value: 3, with: scaled, want: `\"nodesPerReplica\":3`},
		"autoscaler.linear.coresPerReplica": {value: 5, with: scaled, want: `\"coresPerReplica\":5`},
		"autoscaler.linear.min":             {value: 7, with: scaled, want: `\"min\":7`},
		"autoscaler.linear.preventSinglePointFailure": {value: false, with: scaled,
			want: `\"preventSinglePointFailure\":false`},
		"autoscaler.linear.includeUnschedulableNodes": {value: false, with: scaled,
			want: `\"includeUnschedulableNodes\":false`},
		"config.stubDomains": {value: map[string]any{"acme.example": list("192.0.2.1")},
			want: `stubDomains: "{\"acme.example\":[\"192.0.2.1\"]}"`},
		"config.upstreamNameservers": {value: list("192.0.2.3"), want: `upstreamNameservers: "[\"192.0.2.3\"]"`},
		"config.federations": {value: "west=west.example, east=east.example",
			want: `federations: "west=west.example, east`},
		"resources.kubedns.requests": {value: map[string]any{"cpu": "101m"}, want: `"cpu":"101m"`},
		"resources.kubedns.limits":   {value: map[string]any{"memory": "171Mi"}, want: `"memory":"171Mi"`},
		"resources.dnsmasq.requests": {value: map[string]any{"cpu": 0.25}, want: `"cpu":0.25`},
		"resources.sidecar.requests": {value: map[string]any{"cpu": "1e-2"}, want: `"cpu":"1e-2"`},
		"dnsmasq":                    {value: list("--cache-size=2000"), want: `- "--cache-size=2000"`},
		"volumes":                    {value: volume["volumes"], want: "name: extra"},
		"probes.kubedns": {value: nest([]string{"readiness", "periodSeconds"}, 7),
			want: "periodSeconds: 7"},
		"probes.dnsmasq": {value: nest([]string{"liveness", "failureThreshold"}, 9),
			want: "failureThreshold: 9"},
		"probes.sidecar": {value: nest([]string{"liveness", "timeoutSeconds"}, 8),
			want: "timeoutSeconds: 8"},
		"lameduck":                           {value: 20, want: "- -lameduck=20s"},
		"terminationGracePeriodSeconds":      {value: 60, want: "terminationGracePeriodSeconds: 60"},
		"updateStrategy.rollingUpdate":       {value: map[string]any{"maxSurge": 3}, want: `"maxSurge":3`},
		"podDisruptionBudget.enabled":        {value: false, gone: "kind: PodDisruptionBudget"},
		"podDisruptionBudget.maxUnavailable": {value: "25%", want: "maxUnavailable: 25%"},
		"podAnnotations":                     {value: map[string]any{"a.example/b": "c"}, want: `"a.example/b":"c"`},
		"podLabels":                          {value: map[string]any{"team": "network"}, want: "team: network"},
		"deploymentAnnotations": {value: map[string]any{"d.example/e": "f"},
			want: `annotations: {"d.example/e":"f"}`},
		"serviceAnnotations":     {value: map[string]any{"g.example/h": "i"}, want: "g.example/h: i"},
		"monitoring.annotations": {value: false, gone: `"prometheus.io/scrape":"true"`},
		"monitoring.podMonitor":  {value: map[string]any{"enabled": true}, want: "kind: PodMonitor"},
		"monitoring.rules":       {value: map[string]any{"enabled": true}, want: "kind: PrometheusRule"},
		"monitoring.dashboards":  {value: map[string]any{"enabled": true}, want: "kube-dns-dashboard-pod"},
		"networkPolicy.enabled":  {value: true, want: "kind: NetworkPolicy"},
		"networkPolicy.httpFrom": {value: list(nest([]string{"ipBlock", "cidr"}, "192.0.2.0/24")),
			with: nest([]string{"networkPolicy", "enabled"}, true), want: `from: [{"ipBlock":{"cidr":"192.0.2.0/24"}}]`},
		"priorityClassName": {value: "system-node-critical", want: "priorityClassName: system-node-critical"},
		"affinity": {value: nest([]string{"nodeAffinity"}, map[string]any{}),
			want: `affinity: {"nodeAffinity":{}}`},
		"topologySpreadConstraints": {value: []any{}, want: "topologySpreadConstraints: []"},
		"tolerations": {value: list(map[string]any{"operator": "Exists"}),
			want: `tolerations: [{"operator":"Exists"}]`},
		"nodeSelector.kubernetes.io/os": {value: "other", want: `nodeSelector: {"kubernetes.io/os":"other"}`},
	}
	for _, name := range []string{"kubedns", "dnsmasq", "sidecar"} {
		all["images."+name] = trial{value: "registry.example/" + name + ":1",
			want: `image: "registry.example/` + name + `:1"`}
		all["env."+name] = trial{value: list(map[string]any{"name": "IN_" + name, "value": "1"}), want: "IN_" + name}
		all["volumeMounts."+name] = trial{value: list(map[string]any{"name": "extra", "mountPath": "/in-" + name}),
			with: volume, want: "/in-" + name}
	}
	for _, name := range []string{"kubedns", "nanny", "sidecar"} {
		all["extraArgs."+name] = trial{value: list("--for-" + name), want: `- "--for-` + name + `"`}
	}
	return all
}

// leaves calls found with each value below a mapping of values.yaml that has a default in the table
// of the README.
func leaves(mapping *yaml.Node, path []string, found func([]string, *yaml.Node)) {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		below := append(slices.Clone(path), key.Value)
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
			leaves(value, below, found)
			continue
		}
		found(below, value)
	}
}

// defaults reads values.yaml.
func defaults(t *testing.T) *yaml.Node {
	t.Helper()
	text, err := os.ReadFile(dir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values yaml.Node
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values.Content[0]
}

// text returns the rendered chart with these values, or the error.
func text(t *testing.T, name string, values ...map[string]any) string {
	t.Helper()
	all := map[string]any{"clusterIP": "10.96.0.10", "image": map[string]any{"registry": "localhost"}}
	for _, v := range values {
		all = loader.MergeMaps(all, v)
	}
	var existing []runtime.Object
	if name == "besideOthers" {
		existing = append(existing, deployment("coredns", 2, nil))
	}
	files, err := executeIn(t, all, "v1.36.0", existing...)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, file := range slices.Sorted(maps.Keys(files)) {
		b.WriteString(files[file])
	}
	return b.String()
}

// TestEachValue sets each value of values.yaml and looks for its effect.
func TestEachValue(t *testing.T) {
	tried := trials()
	leaves(defaults(t), nil, func(path []string, _ *yaml.Node) {
		name := strings.Join(path, ".")
		v, ok := tried[name]
		if !ok {
			t.Errorf("no test sets %s: add it to trials", name)
			return
		}
		delete(tried, name)
		without, with := text(t, name, v.with), text(t, name, v.with, nest(path, v.value))
		if v.gone != "" {
			without, with, v.want = with, without, v.gone
		}
		if strings.Contains(without, v.want) || !strings.Contains(with, v.want) {
			t.Errorf("%s=%v: want the text %q only with it; with it:\n%s", name, v.value, v.want, with)
		}
	})
	for name := range tried {
		t.Errorf("values.yaml has no %s", name)
	}
}

// TestWrongTypes sets each value to another type. The schema names the value.
func TestWrongTypes(t *testing.T) {
	leaves(defaults(t), nil, func(path []string, node *yaml.Node) {
		var wrong any = "!"
		if node.Tag == "!!str" {
			wrong = 7
		}
		got := text(t, "", nest(path, wrong))
		if !strings.HasPrefix(got, "values don't meet") || !strings.Contains(got, "at '/"+path[0]) {
			t.Errorf("%s=%v: got %.200s, want an error of the schema", strings.Join(path, "."), wrong, got)
		}
	})
}

// TestNull removes each value and each group: Helm removes a default that is set to null. The chart
// renders without it, or the error names it.
func TestNull(t *testing.T) {
	check := func(path []string) {
		values := nest(path, nil)
		got := text(t, "", values)
		if strings.HasPrefix(got, "execution error") || strings.Contains(got, "nil pointer") ||
			strings.Contains(got, "wrong type") {
			if !strings.Contains(got, path[len(path)-1]+" is missing") {
				t.Errorf("%s=null: got %.300s", strings.Join(path, "."), got)
			}
		}
	}
	leaves(defaults(t), nil, func(path []string, _ *yaml.Node) {
		for n := range path {
			check(path[:n+1])
		}
	})
}

// TestLint runs `helm lint --strict`.
func TestLint(t *testing.T) {
	values := map[string]any{"clusterIP": "10.96.0.10", "image": map[string]any{"registry": "localhost"}}
	for _, m := range lint.RunAll(dir, values, "kube-system").Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}
