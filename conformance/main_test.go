package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const vectors = `
objects:
  - {apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.5}}
queries:
  - {query: web.shop.svc.cluster.local A, rcode: NOERROR, answer: web.shop.svc.cluster.local 30 A 10.96.0.5}
  - {id: absent, query: api.shop.svc.cluster.local A, rcode: NXDOMAIN}
steps:
  - step: deleted
    delete: [{kind: Service, namespace: shop, name: web}]
    queries: [{query: web.shop.svc.cluster.local A, rcode: NXDOMAIN}]
`

// server replies with an address to names that start with web., and with NXDOMAIN to all others.
func server(t *testing.T, address string) string {
	t.Helper()
	return dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		if name := query.Question[0].Name; strings.HasPrefix(name, "web.") {
			reply.Answer = dnstest.Records(t, name+" 30 IN A "+address)
		} else {
			reply.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(reply)
	})).Addr()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPlay(t *testing.T) {
	path := file(t, "web.yaml", vectors)
	for _, tt := range []struct {
		name, address string
		args, want    []string
		wrong         bool
	}{
		{"right", "10.96.0.5", []string{path},
			[]string{"web: 2 right, 0 wrong, 1 skipped (change objects: changes of objects not supported without -kubectl)",
				"total: 2 right"}, false},
		{"wrong", "10.96.0.6", []string{path}, []string{
			"WRONG web/start/web.shop.svc.cluster.local/A",
			"want web.shop.svc.cluster.local. 30 IN A 10.96.0.5", "got  web.shop.svc.cluster.local. 30 IN A 10.96.0.6",
			"total: 1 right, 1 wrong, 1 skipped",
		}, true},
		{"only one query", "10.96.0.6", []string{"-v", "-run", "absent", path},
			[]string{"right web/start/absent/api.shop.svc.cluster.local/A", "total: 1 right, 0 wrong"}, false},
		{"other zone", "10.96.0.5", []string{"-v", "-zone", "prod.example", path},
			[]string{"right web/start/web.shop.svc.prod.example/A"}, false},
		{"kubectl", "10.96.0.5", []string{"-kubectl", file(t, "kubectl", "#!/bin/sh\ncat >/dev/null\n"), path},
			[]string{"WRONG web/deleted/web.shop.svc.cluster.local/A", "rcode: got NOERROR, want NXDOMAIN"}, true},
		{"kubectl fails", "10.96.0.5", []string{"-kubectl",
			file(t, "kubectl", "#!/bin/sh\necho no cluster; exit 1\n"), path},
			[]string{"WRONG web/start", "set up: change objects:", "no cluster"}, true},
		{"feature", "10.96.0.5", []string{"-features", "", file(t, "dual.yaml", "requires: [dualstack]\n"+vectors)},
			[]string{"dual: 0 right, 0 wrong, 3 skipped (requires dualstack)"}, false},
		{"resolver", "10.96.0.5", []string{file(t, "out.yaml", "resolver: {drop: [a]}\n"+vectors)},
			[]string{"out: 0 right, 0 wrong, 3 skipped (needs -resolver)"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			args := append([]string{"-server", server(t, tt.address), "-patience", "1ns", "-settle", "1ns"}, tt.args...)
			if err := run(t.Context(), args, &out, io.Discard); errors.Is(err,
				errWrong) != tt.wrong || err != nil && !tt.wrong {
				t.Errorf("got error %v, want wrong replies: %t", err, tt.wrong)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in the output:\n%s", want, &out)
				}
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, []string{"-server", "127.0.0.1:1", file(t, "web.yaml", vectors)}, io.Discard, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestManifests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := run(t.Context(), []string{"-manifests", dir, file(t, "web.yaml", vectors), "05"}, io.Discard,
		io.Discard); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "web.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Namespace\nmetadata:\n  name: shop\n", "kind: Service\n",
		"clusterIP: 10.96.0.5\n"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in:\n%s", want, data)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing to do", nil, "give either -server or -manifests"},
		{"both", []string{"-server", "a:1", "-manifests", "b"}, "give either -server or -manifests"},
		{"unknown vectors", []string{"-server", "a:1", "99"},
			`no vectors "99": the first is 01-clusterip, the last 16-lean`},
		{"missing file", []string{"-server", "a:1", "none.yaml"}, "none.yaml"},
		{"no query", []string{"-server", "a:1", "-run", "nothing"}, `-run "nothing" matches no query`},
		{"expression", []string{"-server", "a:1", "-run", "("}, "invalid value"},
		{"endpoints", []string{"-server", "a:1", "-endpoints", "all"}, "must be endpoints, slices or both"},
		{"resolver", []string{"-server", "a:1", "-resolver", "192.0.2.1:53"}, "listen for the outside resolver"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := run(t.Context(), tt.args, io.Discard,
				io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
