package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/clitest"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kube-dns": main})
}

// TestScripts runs the stories in testdata against the real command, with these variables:
//
//   - UPSTREAM: a name server with the address of www.outside.example
//   - DNS, DNSPORT: a free address for kube-dns
//   - HTTP, HTTPPORT and METRICS, METRICSPORT: free addresses
//   - CLOSED: an address without a listener
//
// and the files upstream.json and closed.json, lists of one of these.
func TestScripts(t *testing.T) {
	upstream := dnstest.NewServer(t, dns.HandlerFunc(outside))
	url, certificate := startAPI(t)
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("UPSTREAM", upstream.Addr())
			for _, name := range []string{"DNS", "HTTP", "METRICS", "CLOSED"} {
				addr := dnstest.FreeAddr(t)
				env.Setenv(name, addr.String())
				env.Setenv(name+"PORT", strconv.Itoa(int(addr.Port())))
			}
			if err := writeKubeconfig(env, url, certificate); err != nil {
				return err
			}
			if err := writeServers(env, "upstream.json", upstream.Addr()); err != nil {
				return err
			}
			return writeServers(env, "closed.json", env.Getenv("CLOSED"))
		},
		Cmds: clitest.Commands(testdata),
	})
}

// writeKubeconfig writes the file kubeconfig, with a token.
func writeKubeconfig(env *testscript.Env, url string, certificate []byte) error {
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: u, user: {token: t}}], contexts: [{name: c, context: {cluster: c, user: u}}]}`,
		url, base64.StdEncoding.EncodeToString(certificate))
	return os.WriteFile(filepath.Join(env.WorkDir, "kubeconfig"), []byte(text), 0o600)
}

// writeServers writes a value of the key upstreamNameservers.
func writeServers(env *testscript.Env, file, addr string) error {
	return os.WriteFile(filepath.Join(env.WorkDir, file), []byte(`["`+addr+`"]`), 0o644)
}

func outside(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	if q.Question[0].Name == "www.outside.example." {
		rr, err := dns.NewRR("www.outside.example. 300 IN A 192.0.2.80")
		if err != nil {
			panic(err)
		}
		m.Rcode, m.Answer = dns.RcodeSuccess, []dns.RR{rr}
	}
	_ = w.WriteMsg(m)
}

func TestParseDomain(t *testing.T) {
	for text, want := range map[string]string{
		"cluster.local": "cluster.local.", "cluster.local.": "cluster.local.", "local": "local.",
		"": "", ".": "", "a..b": "", "Cluster.local": "", "-a.b": "", "a_b.c": "", "cluster.local..": "",
		strings.Repeat("abc.", 26)[:103]: strings.Repeat("abc.", 26)[:103] + ".", strings.Repeat("abcd.", 21) + "a": "",
	} {
		got, err := parseDomain(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("parseDomain(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Setenv("API", "10.0.0.1")
	for text, want := range map[string]string{
		"https://${API}:6443": "https://10.0.0.1:6443", "http://$API": "http://10.0.0.1",
		"10.0.0.1": "", "http://": "", "http://:": "", "https://$NOTHING": "", "::": "",
	} {
		got, err := parseURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("parseURL(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestMetricsFromEnv(t *testing.T) {
	env := func(values map[string]string) func(string) string {
		return func(name string) string { return values[name] }
	}
	m, err := metricsFromEnv(env(nil))
	if err != nil || m.port != 0 || m.path != "/metrics" || m.namespace != "skydns" || m.subsystem != "skydns" {
		t.Errorf("nothing set: %+v, %v", m, err)
	}
	m, err = metricsFromEnv(env(map[string]string{"PROMETHEUS_PORT": "10055", "PROMETHEUS_PATH": "m"}))
	if err != nil || m.port != 10055 || m.path != "/m" {
		t.Errorf("a port: %+v, %v", m, err)
	}
	if m, err = metricsFromEnv(env(map[string]string{"PROMETHEUS_PORT": "many"})); err == nil || m.port != 0 {
		t.Errorf("no number: %+v, %v", m, err)
	}
}
