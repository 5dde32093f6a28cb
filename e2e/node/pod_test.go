//go:build node

package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

// A pod is the source of a test's queries: the agent that runs in it.
type pod struct {
	name string
	ip   string
	ips  []string // both families
	port string
	dns  string // its server; empty: the cluster's DNS
}

func podOf(p *corev1.Pod) pod {
	out := pod{name: p.Name, ip: p.Status.PodIP, port: "8080"}
	if args := p.Spec.Containers[0].Args; len(args) == 2 { // serve :PORT
		out.port = strings.TrimPrefix(args[1], ":")
	}
	for _, ip := range p.Status.PodIPs {
		out.ips = append(out.ips, ip.IP)
	}
	return out
}

// call sends a request to the agent and decodes its reply, unless into is nil.
func (p pod) call(method, path string, query url.Values, body []byte, into any) error {
	u := "http://" + net.JoinHostPort(p.ip, p.port) + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequest(method, u, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("agent in pod %s: %w", p.name, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("agent in pod %s: %w", p.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("agent in pod %s: %s: %s", p.name, resp.Status, b)
	}
	if s, ok := into.(*string); ok {
		*s = string(b)
		return nil
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}

// ask sends one query from the pod, to its nameserver unless server is set.
func (p pod) ask(server, name, qtype string, tcp bool) (agent.Answer, error) {
	server = cmp.Or(server, p.dns, clusterDNS)
	q := url.Values{"server": {server}, "name": {name}, "type": {qtype}}
	if tcp {
		q.Set("tcp", "true")
	}
	var a agent.Answer
	if err := p.call(http.MethodGet, "/ask", q, nil, &a); err != nil {
		return a, err
	}
	if a.Err != "" {
		return a, fmt.Errorf("%s %s at %s: %s", name, qtype, server, a.Err)
	}
	return a, nil
}

// want queries over UDP and TCP and checks rcode and answer section: exactly these records.
func (p pod) want(name, qtype, rcode string, records ...string) error {
	for _, tcp := range []bool{false, true} {
		a, err := p.ask("", name, qtype, tcp)
		if err != nil {
			return err
		}
		got := slices.Sorted(slices.Values(a.Records))
		if want := slices.Sorted(slices.Values(records)); a.Rcode != rcode || !slices.Equal(got, want) {
			return fmt.Errorf("%s %s over TCP %t: got %s %q, want %s %q", name, qtype, tcp, a.Rcode, got, rcode, want)
		}
	}
	return nil
}

// wantA checks that a full name has these IPv4 addresses.
func (p pod) wantA(name string, addrs ...string) error {
	return p.want(name, "A", "NOERROR", records("A", addrs...)...)
}

func records(qtype string, values ...string) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, qtype+" "+v)
	}
	return out
}

// wantResolved looks a name up through the pod's resolv.conf, with Go's resolver and with the C
// library's.
func (p pod) wantResolved(name string, addrs ...string) error {
	var l agent.Lookup
	if err := p.call(http.MethodGet, "/resolve", url.Values{"name": {name}}, nil, &l); err != nil {
		return err
	}
	want := slices.Sorted(slices.Values(addrs))
	if got := slices.Sorted(slices.Values(l.Addrs)); l.Err != "" || !slices.Equal(got, want) {
		return fmt.Errorf("look-up of %q in pod %s: got %q %s, want %q", name, p.name, got, l.Err, want)
	}
	got, err := p.getent(name)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("getent of %q in pod %s: got %q, want %q", name, p.name, got, want)
	}
	return nil
}

// getent looks a name up with the C library. It returns no addresses for a missing name.
func (p pod) getent(name string) ([]string, error) {
	var out agent.Output
	err := p.call(http.MethodGet, "/exec", url.Values{"arg": {"/usr/bin/getent", "ahosts", name}}, nil, &out)
	if err != nil {
		return nil, err
	}
	if out.Code != 0 && out.Code != 2 { // 2: not found
		return nil, fmt.Errorf("getent ahosts %s: exit code %d: %s", name, out.Code, out.Text)
	}
	var addrs []string
	for line := range strings.Lines(out.Text) {
		if f := strings.Fields(line); len(f) > 0 && !slices.Contains(addrs, f[0]) {
			addrs = append(addrs, f[0])
		}
	}
	slices.Sort(addrs)
	return addrs, nil
}

func (p pod) file(path string) (string, error) {
	var text string
	err := p.call(http.MethodGet, "/file", url.Values{"path": {path}}, nil, &text)
	return text, err
}

// setReady sets the result of the pod's readiness probe.
func (p pod) setReady(ok bool) error {
	return p.call(http.MethodPost, "/ready", url.Values{"ok": {fmt.Sprint(ok)}}, nil, nil)
}

func (p pod) startLoad(opts agent.LoadOptions) error {
	b, err := json.Marshal(opts)
	if err != nil {
		return err
	}
	return p.call(http.MethodPost, "/load", nil, b, nil)
}

func (p pod) endLoad() (agent.Account, error) {
	var a agent.Account
	err := p.call(http.MethodDelete, "/load", nil, nil, &a)
	return a, err
}

// get reads a URL and requires status 200.
func get(u string) (string, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(u)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", u, err)
	}
	if resp.StatusCode != http.StatusOK {
		return string(b), fmt.Errorf("%s: %s: %s", u, resp.Status, strings.TrimSpace(string(b)))
	}
	return string(b), nil
}
