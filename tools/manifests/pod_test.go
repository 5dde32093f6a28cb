package main

import (
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// expanded returns the arguments of a container as the kubelet passes them.
func expanded(c corev1.Container) []string {
	var pairs []string
	for _, e := range c.Env {
		pairs = append(pairs, "$("+e.Name+")", e.Value)
	}
	change := strings.NewReplacer(pairs...)
	args := slices.Clone(c.Args)
	for i := range args {
		args[i] = change.Replace(args[i])
	}
	return args
}

// flags returns arguments by their name without dashes.
func flags(args []string) map[string][]string {
	values := map[string][]string{}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		values[name] = append(values[name], value)
	}
	return values
}

// one returns the value of a flag that occurs at most once.
func one(t *testing.T, values map[string][]string, name, missing string) string {
	t.Helper()
	switch list := values[name]; len(list) {
	case 0:
		return missing
	case 1:
		return list[0]
	default:
		t.Errorf("flag %s is there %d times", name, len(list))
		return list[0]
	}
}

// split divides arguments at the first "--".
func split(args []string) (own, rest []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// A shape has the ports in the arguments of a pod.
type shape struct {
	kubedns, dnsmasq string // ports for DNS; dnsmasq is "0" without dnsmasq
}

// checkPod checks that the containers of a pod agree with each other and the zone.
func checkPod(t *testing.T, pod corev1.PodSpec, zone string) {
	t.Helper()
	containers, args := map[string]corev1.Container{}, map[string][]string{}
	for _, c := range pod.Containers {
		containers[c.Name], args[c.Name] = c, expanded(c)
		for _, arg := range args[c.Name] {
			if strings.Contains(arg, "$(") || zone != "cluster.local" && strings.Contains(arg, "cluster.local") {
				t.Errorf("container %s: argument %s: want the zone %s", c.Name, arg, zone)
			}
		}
		if !regexp.MustCompile(`^[a-z0-9.:-]+/([a-z0-9-]+/)*[a-z0-9-]+:[A-Za-z0-9_.-]+$`).MatchString(c.Image) {
			t.Errorf("container %s: image %s has no registry or no tag", c.Name, c.Image)
		}
	}
	own, rest := split(args["dnsmasq"])
	kubedns, nanny, dnsmasq := flags(args["kubedns"]), flags(own), flags(rest)
	s := shape{one(t, kubedns, "dns-port", "53"), one(t, dnsmasq, "port", "53")}
	_, hasDnsmasq := containers["dnsmasq"]
	if _, direct := kubedns["direct"]; direct == hasDnsmasq {
		t.Errorf("--direct is %v, and there is a dnsmasq: %v", direct, hasDnsmasq)
	}
	if !hasDnsmasq {
		s.dnsmasq = "0"
	}
	if got := one(t, kubedns, "domain", ""); got != zone+"." {
		t.Errorf("--domain is %s, want %s.", got, zone)
	}
	if got := one(t, kubedns, "forward", ""); got != "" && got != "127.0.0.1:"+s.dnsmasq {
		t.Errorf("--forward=%s, want dnsmasq's port %s", got, s.dnsmasq)
	}
	if got := one(t, nanny, "kubednsServer", "127.0.0.1:10053"); hasDnsmasq && got != "127.0.0.1:"+s.kubedns {
		t.Errorf("-kubednsServer is %s, want port %s", got, s.kubedns)
	}
	if hasDnsmasq {
		checkServers(t, s, zone, dnsmasq)
		checkMounts(t, containers["dnsmasq"], nanny, "configDir", "stateDir")
	}
	checkProbes(t, s, zone, flags(args["sidecar"]))
	checkPorts(t, s, pod, nanny)
	checkMounts(t, containers["kubedns"], kubedns, "config-dir", "snapshot")
}

// checkServers checks that dnsmasq sends names of the zone to kube-dns.
func checkServers(t *testing.T, s shape, zone string, dnsmasq map[string][]string) {
	t.Helper()
	if s.kubedns == s.dnsmasq {
		t.Errorf("kube-dns and dnsmasq have the same port %s", s.kubedns)
	}
	if !slices.Contains(dnsmasq["server"], "/"+zone+"/127.0.0.1#"+s.kubedns) {
		t.Errorf("dnsmasq has servers %v, none for %s at port %s", dnsmasq["server"], zone, s.kubedns)
	}
	for _, server := range dnsmasq["server"] {
		if !strings.HasSuffix(server, "/127.0.0.1#"+s.kubedns) {
			t.Errorf("dnsmasq's server %s is not kube-dns", server)
		}
	}
	_, bound := dnsmasq["bind-interfaces"]
	if s.dnsmasq != "53" && (!bound || !slices.Equal(dnsmasq["listen-address"], []string{"127.0.0.1"})) {
		t.Errorf("dnsmasq at port %s is not bound to 127.0.0.1: %v", s.dnsmasq, dnsmasq)
	}
}

func checkProbes(t *testing.T, s shape, zone string, sidecar map[string][]string) {
	t.Helper()
	want := []string{}
	for _, probe := range []struct{ label, port string }{{"kubedns", s.kubedns}, {"dnsmasq", s.dnsmasq}} {
		if probe.port == "0" {
			continue
		}
		want = append(want, fmt.Sprintf("%s,127.0.0.1:%s,kubernetes.default.svc.%s,5,SRV", probe.label, probe.port,
			zone))
	}
	if !slices.Equal(sidecar["probe"], want) {
		t.Errorf("probes are %v, want %v", sidecar["probe"], want)
	}
	if got := one(t, sidecar, "dnsmasq-port", "53"); got != s.dnsmasq {
		t.Errorf("--dnsmasq-port is %s, want %s", got, s.dnsmasq)
	}
}

// checkPorts checks names and numbers of the containers' ports, and that port 53 can
// be opened.
func checkPorts(t *testing.T, s shape, pod corev1.PodSpec, nanny map[string][]string) {
	t.Helper()
	ports := map[string]string{}
	for _, c := range pod.Containers {
		for _, p := range c.Ports {
			if other := ports[p.Name]; other != "" {
				t.Errorf("two ports have the name %s", p.Name)
			}
			ports[p.Name] = c.Name + ":" + strconv.Itoa(int(p.ContainerPort))
		}
	}
	front := "dnsmasq"
	if s.kubedns == "53" {
		front = "kubedns"
	}
	want := map[string]string{
		"dns": front + ":53", "dns-tcp": front + ":53", "metrics": "sidecar:10054", "kubedns-metrics": "kubedns:10055",
	}
	if addr := one(t, nanny, "httpAddr", ""); addr != "" {
		want["nanny-metrics"] = "dnsmasq" + addr
	}
	if front == "dnsmasq" {
		want["dns-local"], want["dns-tcp-local"] = "kubedns:"+s.kubedns, "kubedns:"+s.kubedns
	}
	if fmt.Sprint(ports) != fmt.Sprint(want) {
		t.Errorf("ports are %v, want %v", ports, want)
	}
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == front })
	if !mayOpen53(pod, pod.Containers[i]) {
		t.Errorf("container %s may not open port 53", front)
	}
}

func mayOpen53(pod corev1.PodSpec, c corev1.Container) bool {
	if pod.SecurityContext != nil {
		for _, s := range pod.SecurityContext.Sysctls {
			if s.Name == "net.ipv4.ip_unprivileged_port_start" && s.Value == "53" {
				return true
			}
		}
	}
	can := c.SecurityContext.Capabilities
	return c.SecurityContext.RunAsUser == nil && can != nil && slices.Contains(can.Add, "NET_BIND_SERVICE")
}

// checkMounts checks that the paths of flags are on volumes.
func checkMounts(t *testing.T, c corev1.Container, values map[string][]string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := one(t, values, name, "")
		if file != "" && !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.MountPath == file || m.MountPath == path.Dir(file)
		}) {
			t.Errorf("container %s: %s=%s is on no volume", c.Name, name, file)
		}
	}
}

// parsers check arguments with the four commands and dnsmasq.
type parsers struct {
	dir, dnsmasq string
	seen         map[string]bool
}

func newParsers(t *testing.T) *parsers {
	t.Helper()
	p := &parsers{dir: t.TempDir(), seen: map[string]bool{}}
	build := exec.CommandContext(t.Context(), "go", "-C", "../..", "build", "-o", p.dir+"/", "./cmd/kube-dns",
		"./cmd/dnsmasq-nanny", "./cmd/sidecar")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	build = exec.CommandContext(t.Context(), "go", "-C", "../../cmd/node-cache", "build", "-o", p.dir+"/", ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	if p.dnsmasq, err = exec.LookPath("dnsmasq"); err != nil {
		p.dnsmasq = "/usr/sbin/dnsmasq"
	}
	return p
}

// check runs each command with its arguments and the version flag, which takes effect only if all
// other flags are valid.
func (p *parsers) check(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	commands := map[string]string{"kubedns": "kube-dns", "dnsmasq": "dnsmasq-nanny", "sidecar": "sidecar"}
	for _, c := range pod.Containers {
		own, rest := split(expanded(c))
		p.run(t, filepath.Join(p.dir, commands[c.Name]), append(slices.Clone(own), "--version"))
		if c.Name == "dnsmasq" {
			p.run(t, p.dnsmasq, append([]string{"--test"}, rest...))
		}
	}
}

func (p *parsers) run(t *testing.T, program string, args []string) {
	t.Helper()
	key := program + " " + strings.Join(args, " ")
	if p.seen[key] {
		return
	}
	p.seen[key] = true
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", key, err, out)
	}
}
