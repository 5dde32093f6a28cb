package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var labelsOfDNS = map[string]string{"k8s-app": "kube-dns"}

// pod returns a pod of kube-dns that works.
func pod(n int) Pod {
	requests := corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("170Mi")},
	}
	name := fmt.Sprintf("kube-dns-%d", n)
	status := func(command string) Page {
		return Page{Body: []byte(`{"command":"` + command + `","version":"v1.2.3","parts":[
			{"name":"watch of services","level":"ok","text":"open"},{"name":"configuration","level":"ok"}]}`)}
	}
	return Pod{
		Name: name,
		Object: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Labels: labelsOfDNS, Annotations: map[string]string{"prometheus.io/scrape": "true"},
			},
			Spec: corev1.PodSpec{
				NodeName: fmt.Sprintf("node-%d", n), PriorityClassName: "system-cluster-critical",
				Containers: []corev1.Container{
					{
						Name: "kubedns", Image: "registry.example.com/k8s-dns-kube-dns:1.2.3", Resources: requests,
						Env:            []corev1.EnvVar{{Name: "CLUSTER_DOMAIN", Value: "cluster.local"}},
						Args:           []string{"--domain=$(CLUSTER_DOMAIN).", "--lameduck=25s"},
						ReadinessProbe: &corev1.Probe{PeriodSeconds: 5},
					},
					{
						Name: "dnsmasq", Image: "registry.example.com/k8s-dns-dnsmasq-nanny:1.2.3", Resources: requests,
						Args: []string{"-httpAddr=:10056", "--", "--server=/cluster.local/127.0.0.1#10053",
							"--server=/ip6.arpa/127.0.0.1#10053"},
					},
					{
						Name: "sidecar", Image: "registry.example.com/k8s-dns-sidecar:1.2.3", Resources: requests,
						Args: []string{"--probe=kubedns,127.0.0.1:10053,kubernetes.default.svc.cluster.local,5,SRV"},
					},
				},
			},
		},
		Pages: map[string]Page{
			Readiness: {Body: []byte("ok")}, Healthz: {Body: []byte("ok")},
			Status: status("kube-dns"), NannyStatus: status("dnsmasq-nanny"), ProbeStatus: status("sidecar"),
			Metrics:      {Body: []byte("process_resident_memory_bytes 3e+07\nkubedns_dns_waiting_queries 3\n")},
			NannyMetrics: {Body: []byte("kubedns_nanny_dnsmasq_up 1\n")},
			SideMetrics:  {Body: []byte("kubedns_dnsmasq_evictions 1\nkubedns_dnsmasq_insertions 5000\n")},
		},
		Digest: "abc", Inside: &Reply{Rcode: "NOERROR", Records: []string{"10.96.0.1"}, TTL: 30},
		Outside: &Reply{Rcode: "NOERROR", Took: 3 * time.Millisecond},
	}
}

// healthy returns the facts of a cluster without problems.
func healthy() *Facts {
	endpoint := func(n int) discoveryv1.Endpoint {
		name := fmt.Sprintf("kube-dns-%d", n)
		return discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name}}
	}
	return &Facts{
		Namespace: "kube-system", Options: Options{Outside: "example.com", Zone: "cluster.local"},
		Objects: Objects{
			Service: &corev1.Service{Spec: corev1.ServiceSpec{
				Selector: labelsOfDNS, ClusterIP: "10.96.0.10", ClusterIPs: []string{"10.96.0.10"},
				Ports: []corev1.ServicePort{{Port: 53, Protocol: "UDP"}, {Port: 53, Protocol: "TCP"}},
			}},
			Slices:      []discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{endpoint(1), endpoint(2)}}},
			Deployments: []appsv1.Deployment{{ObjectMeta: metav1.ObjectMeta{Name: "kube-dns"}}},
			Config:      &corev1.ConfigMap{Data: map[string]string{"stubDomains": `{"example.com":["192.0.2.1"]}`}},
			Kubernetes:  []string{"10.96.0.1"},
			Zones:       map[string]string{"node-1": "a", "node-2": "b"},
		},
		Kubelets: []Kubelet{{Of: "node node-1", Addresses: []string{"10.96.0.10"}, Domain: "cluster.local"}},
		Pods:     []Pod{pod(1), pod(2)},
		Account:  map[string]bool{"services": true, "endpoints": true, "endpointslices": true},
		Unread:   map[string]string{},
	}
}

func TestHealthy(t *testing.T) {
	for _, r := range Run(healthy(), nil, nil) {
		if r.Level != OK || r.Text == "" {
			t.Errorf("%s: got %s %q %v, want ok", r.Code, r.Level, r.Text, r.Findings)
		}
	}
}

// page replaces a status page of the first pod.
func page(name, part, level string) func(*Facts) {
	return func(f *Facts) {
		f.Pods[0].Pages[name] = Page{Body: []byte(
			`{"command":"kube-dns","version":"v1.2.3","parts":[{"name":"` + part + `","level":"` + level +
				`","text":"broken"}]}`)}
	}
}

// TestChecks breaks one thing at a time.
func TestChecks(t *testing.T) {
	tests := []struct {
		code, name string
		level      Level
		text       string
		change     func(*Facts)
	}{
		{"KD101", "no Service", Error, "there is none in namespace kube-system",
			func(f *Facts) { f.Objects.Service = nil }},
		{"KD101", "selector", Error, "finds no pod",
			func(f *Facts) { f.Objects.Service.Spec.Selector = map[string]string{"a": "b"} }},
		{"KD101", "no TCP", Error, "no port 53 over TCP",
			func(f *Facts) { f.Objects.Service.Spec.Ports = f.Objects.Service.Spec.Ports[:1] }},
		{"KD101", "other address", Error, "kubelets write 10.96.0.11",
			func(f *Facts) { f.Kubelets[0].Addresses = []string{"10.96.0.11"} }},
		{"KD101", "node-local cache", OK, "", func(f *Facts) { f.Kubelets[0].Addresses = []string{"169.254.20.10"} }},
		{"KD101", "one kubelet of two", Error, "kubelets write 10.96.0.11 into the resolv.conf of pods (node node-2)",
			func(f *Facts) {
				f.Kubelets = append(f.Kubelets, Kubelet{Of: "node node-2", Addresses: []string{"10.96.0.11"},
					Domain: "cluster.local"})
			}},
		{"KD101", "no right", Skipped, "you may not", func(f *Facts) { f.Unread["services"] = "you may not" }},
		{"KD102", "none ready", Error, "no pod is ready", func(f *Facts) { f.Objects.Slices = nil }},
		{"KD102", "one ready", Warning, "one pod is ready",
			func(f *Facts) { f.Objects.Slices[0].Endpoints = f.Objects.Slices[0].Endpoints[:1] }},
		{"KD102", "CoreDNS too", Warning, "1 of CoreDNS, 1 of kube-dns", func(f *Facts) {
			f.Pods[1].Object.Spec.Containers = []corev1.Container{{Name: "coredns"}}
		}},
		{"KD103", "zone of dnsmasq", Error, "other.local (--server of dnsmasq", func(f *Facts) {
			f.Pods[0].Object.Spec.Containers[1].Args[2] = "--server=/other.local/127.0.0.1#10053"
		}},
		{"KD103", "zone of the probe", Error, "other.local (--probe", func(f *Facts) {
			sidecar := &f.Pods[0].Object.Spec.Containers[2]
			sidecar.Args[0] = "--probe=kubedns,127.0.0.1:10053,kubernetes.default.svc.other.local,5,SRV"
		}},
		{"KD103", "zone of kubelets", Error, "other.local (clusterDomain",
			func(f *Facts) { f.Kubelets[0].Domain = "other.local" }},
		{"KD104", "two Deployments", Warning, "2 Deployments", func(f *Facts) {
			f.Objects.Deployments = append(f.Objects.Deployments,
				appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "coredns"}})
		}},
		{"KD104", "budget", Warning, "CoreDNS and kube-dns", func(f *Facts) {
			f.Pods[1].Object.Spec.Containers = []corev1.Container{{Name: "coredns"}}
			f.Objects.Budgets = []policyv1.PodDisruptionBudget{{Spec: policyv1.PodDisruptionBudgetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labelsOfDNS}}}}
		}},
		{"KD104", "autoscaler", OK, "", func(f *Facts) {
			f.Objects.Autoscalers = []Autoscaler{{"scaler", "kube-dns"}}
		}},
		{"KD104", "autoscaler of no pods", Warning, "it scales deployment/coredns, which has no pods", func(f *Facts) {
			f.Objects.Deployments = append(f.Objects.Deployments, appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Name: "coredns"}, Spec: appsv1.DeploymentSpec{Replicas: new(int32(0))},
			})
			f.Objects.Autoscalers = []Autoscaler{{"scaler", "coredns"}}
		}},
		{"KD104", "autoscaler of nothing", Warning, "it scales deployment/coredns, which does not exist",
			func(f *Facts) {
				f.Objects.Autoscalers = []Autoscaler{{"scaler", "coredns"}}
			}},
		{"KD104", "autoscaler of something else", OK, "",
			func(f *Facts) { f.Objects.Autoscalers = []Autoscaler{{"scaler", "web"}} }},
		{"KD104", "two autoscalers", Warning, "2 autoscalers", func(f *Facts) {
			f.Objects.Autoscalers = []Autoscaler{{"a", "kube-dns"}, {"b", "kube-dns"}}
		}},
		{"KD104", "anti-affinity", Warning, "share no node with pods of CoreDNS and kube-dns", func(f *Facts) {
			f.Pods[1].Object.Spec.Containers = []corev1.Container{{Name: "coredns"}}
			f.Objects.Deployments[0].Spec.Template.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
					LabelSelector: &metav1.LabelSelector{MatchLabels: labelsOfDNS},
				}},
			}}
		}},
		{"KD105", "one node", Warning, "on node node-1", func(f *Facts) { f.Pods[1].Object.Spec.NodeName = "node-1" }},
		{"KD105", "a cluster of one node", OK, "", func(f *Facts) {
			f.Pods[1].Object.Spec.NodeName = "node-1"
			f.Objects.Zones = map[string]string{"node-1": ""}
		}},
		{"KD105", "one zone", Warning, "one zone of 2", func(f *Facts) {
			f.Objects.Zones = map[string]string{"node-1": "a", "node-2": "a", "node-3": "b"}
		}},
		{"KD105", "no priority", Warning, "no priority class",
			func(f *Facts) { f.Pods[0].Object.Spec.PriorityClassName = "" }},
		{"KD201", "not ready", Error, "status 503: waiting",
			func(f *Facts) { f.Pods[0].Pages[Readiness] = Page{Err: "status 503: waiting"} }},
		{"KD201", "failed probe", Error, "probe: broken", page(ProbeStatus, "probe", "failed")},
		{"KD201", "warning", Warning, "snapshot: broken", page(Status, "snapshot", "warning")},
		{"KD201", "crash", Error, "CrashLoopBackOff", func(f *Facts) {
			f.Pods[0].Object.Status.ContainerStatuses = []corev1.ContainerStatus{{
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		}},
		{"KD202", "no registry", Warning, "no registry",
			func(f *Facts) { f.Pods[0].Object.Spec.Containers[0].Image = "k8s-dns-kube-dns:1" }},
		{"KD202", "no tag", Warning, "no tag",
			func(f *Facts) { f.Pods[0].Object.Spec.Containers[0].Image = "localhost:5000/k8s-dns-kube-dns" }},
		{"KD202", "two versions", Warning, "more than one version", func(f *Facts) {
			f.Pods[0].Pages[Status] = Page{Body: []byte(`{"command":"kube-dns","version":"v1.0.0"}`)}
		}},
		{"KD203", "watch", Error, "watch of services: broken", page(Status, "watch of services", "warning")},
		{"KD203", "old version", Skipped, "no pod has a status page", func(f *Facts) {
			for i := range f.Pods {
				f.Pods[i].Pages[Status] = Page{Missing: true}
			}
		}},
		{"KD204", "bad port", Error, "stubDomains", func(f *Facts) {
			f.Objects.Config.Data["stubDomains"] = `{"example.com":["192.0.2.1:"]}`
		}},
		{"KD204", "mistyped key", Warning, `key "stubDomain"`, func(f *Facts) { f.Objects.Config.Data["stubDomain"] = "{}" }},
		{"KD204", "refused", Error, "configuration: broken", page(Status, "configuration", "warning")},
		{"KD204", "loop", Error, "lead back", func(f *Facts) {
			f.Pods[0].Pages[NannyMetrics] = Page{Body: []byte(
				"kubedns_nanny_upstream_loop{server=\"192.0.2.1#53\",domain=\"a}b\"} 1\n")}
		}},
		{"KD205", "differ", Error, "in 2 groups", func(f *Facts) { f.Pods[0].Digest = "def" }},
		{"KD301", "services", Error, "may not list and watch services",
			func(f *Facts) { f.Account["services"] = false }},
		{"KD301", "slices", Warning, "endpointslices", func(f *Facts) { f.Account["endpointslices"] = false }},
		{"KD302", "short grace", Warning, "drains for 25s", func(f *Facts) {
			f.Pods[0].Object.Spec.TerminationGracePeriodSeconds = new(int64(20))
		}},
		{"KD302", "no readiness probe", Warning, "no readiness probe",
			func(f *Facts) { f.Pods[0].Object.Spec.Containers[0].ReadinessProbe = nil }},
		{"KD303", "memory", Warning, "of 170 MiB", func(f *Facts) {
			f.Pods[0].Pages[Metrics] = Page{Body: []byte("process_resident_memory_bytes 1.78e+08\n")}
		}},
		{"KD303", "evictions", Warning, "evicted 2000 of 5000", func(f *Facts) {
			f.Pods[0].Pages[SideMetrics] = Page{Body: []byte(
				"kubedns_dnsmasq_evictions 2000\nkubedns_dnsmasq_insertions 5000\n")}
		}},
		{"KD304", "closed", Info, "metrics: connection refused",
			func(f *Facts) { f.Pods[0].Pages[Metrics] = Page{Err: "connection refused"} }},
		{"KD401", "other address", Error, "10.96.0.2, the Service has 10.96.0.1",
			func(f *Facts) { f.Pods[0].Inside.Records[0] = "10.96.0.2" }},
		{"KD401", "TTL", Error, "TTL 300", func(f *Facts) { f.Pods[0].Inside.TTL = 300 }},
		{"KD401", "SERVFAIL", Error, "SERVFAIL", func(f *Facts) { f.Pods[0].Inside = &Reply{Rcode: "SERVFAIL"} }},
		{"KD402", "no reply", Error, "no reply over TCP: timeout",
			func(f *Facts) { f.Pods[0].Outside = &Reply{Err: "timeout"} }},
		{"KD402", "not asked for", Skipped, "--outside", func(f *Facts) { f.Options.Outside = "" }},
	}
	for _, tt := range tests {
		t.Run(tt.code+" "+tt.name, func(t *testing.T) {
			f := healthy()
			tt.change(f)
			r := Run(f, []string{tt.code}, nil)[0]
			text := r.Text
			for _, finding := range r.Findings {
				text += " " + finding.Text
			}
			if r.Level != tt.level || !strings.Contains(text, tt.text) {
				t.Errorf("got %s %q, want %s with %q", r.Level, text, tt.level, tt.text)
			}
		})
	}
}

// TestNothing runs all checks without any facts: no check may panic or report a problem that it
// cannot see.
func TestNothing(t *testing.T) {
	unread := map[string]string{}
	for _, what := range []string{"services", "pods", "endpointslices", "deployments", "configmaps", "rights",
		"queries", "kubelet"} {
		unread[what] = "you may not"
	}
	for _, r := range Run(&Facts{Unread: unread}, nil, nil) {
		if r.Level.AtLeast(Info) {
			t.Errorf("%s: got %s %v", r.Code, r.Level, r.Findings)
		}
	}
}

func TestSelection(t *testing.T) {
	if got := Run(healthy(), []string{"kd101", "KD204"}, []string{"KD204"}); len(got) != 1 || got[0].Code != "KD101" {
		t.Errorf("got %v, want KD101 alone", got)
	}
	if Known([]string{"kd101"}) != nil || Known([]string{"KD999"}) == nil {
		t.Error("Known: want KD101 and not KD999")
	}
}
