package pages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/miekg/dns"
)

const service = `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: prod}, spec: {clusterIP: 10.0.0.1}}`

// kubeDNS starts kube-dns with more arguments and returns the address of its page. It first queries
// it for some names outside the cluster.
func kubeDNS(t *testing.T, args ...string) string {
	t.Helper()
	status, queries := free(t), free(t)
	start(t, status, "kube-dns", append([]string{
		"--dns-bind-address=127.0.0.1", "--dns-port=" + port(queries), "--lameduck=0s",
		"--http-bind-address=127.0.0.1", "--healthz-port=" + port(status),
	}, args...)...)
	for range 3 {
		q := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
		_, _, _ = (&dns.Client{Timeout: 5 * time.Second}).Exchange(q, queries) // some upstreams are dead
	}
	return status
}

// nanny starts a dnsmasq that listens at queries.
func nanny(t *testing.T, queries, config string) string {
	t.Helper()
	status := free(t)
	start(t, status, "dnsmasq-nanny", "-configDir="+config, "-restartDnsmasq=true", "-lameduck=0s", "-httpAddr="+status,
		"--", "-k", "--port="+port(queries), "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts",
		"--address=/localhost.example/127.0.0.1", "--log-facility=-", "--pid-file=")
	return status
}

// dnsmasq starts a dnsmasq that forwards to other servers, and returns its address.
func dnsmasq(t *testing.T, upstreams ...string) string {
	t.Helper()
	queries := free(t)
	nanny(t, queries, write(t, "upstreamNameservers", `["`+strings.Join(upstreams, `", "`)+`"]`))
	return queries
}

// ask sends queries to a DNS server for the duration of the test.
func ask(t *testing.T, server string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		client := &dns.Client{Timeout: time.Second}
		for i := 0; ctx.Err() == nil; i++ {
			q := new(dns.Msg).SetQuestion(fmt.Sprintf("www%d.example.com.", i), dns.TypeA)
			_, _, _ = client.ExchangeContext(ctx, q, server) // it fails intentionally
			pause(ctx)
		}
	})
	t.Cleanup(func() { cancel(); asking.Wait() })
}

// sidecar starts a sidecar that watches a dnsmasq.
func sidecar(t *testing.T, dnsmasq, name string) string {
	t.Helper()
	status := free(t)
	start(t, status, "sidecar", "--prometheus-addr=127.0.0.1", "--prometheus-port="+port(status),
		"--lameduck=0s", "--probe=dnsmasq,"+dnsmasq+","+name+",1,A", "--dnsmasq-port="+port(dnsmasq))
	return status
}

// server starts a server for names outside the cluster that replies with a response code.
func server(t *testing.T, rcode int) string {
	t.Helper()
	addr := free(t)
	ready := make(chan struct{})
	s := &dns.Server{Addr: addr, Net: "udp", NotifyStartedFunc: func() { close(ready) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, rcode)) })}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServe() }()
	<-ready
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(), <-done); err != nil {
			t.Error(err)
		}
	})
	return addr
}

// TestPages checks the first screen of each page.
func TestPages(t *testing.T) {
	browser := newBrowser(t)
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) (addr string)
		want  []string // on the first screen
	}{
		{"kube-dns fine", func(t *testing.T) string {
			return kubeDNS(t, "--manifests="+write(t, "web.yaml", service), "--nameservers="+server(t, dns.RcodeSuccess))
		}, []string{"ok: all parts work", "1 Service, "}},
		{"kube-dns ConfigMap refused", func(t *testing.T) string {
			return kubeDNS(t, "--manifests="+write(t, "web.yaml", service),
				"--config-dir="+write(t, "upstreamNameservers", `["dns.example.com"]`))
		}, []string{"warning: configuration: refused", "upstreamNameservers", "dns.example.com", "In use: default"}},
		{"kube-dns API server gone", func(t *testing.T) string {
			return kubeDNS(t, "--kube-master-url=http://"+free(t), "--nameservers="+server(t, dns.RcodeSuccess))
		}, []string{"failed: answers: not ready", "connection refused", "also: watch of services, watch of endpoints"}},
		{"kube-dns API server lost", apiServerLost, []string{
			"warning: watch of ", "not open: changes do not arrive", "also: watch of ",
		}},
		{"kube-dns dead upstream", func(t *testing.T) string {
			return kubeDNS(t, "--manifests="+write(t, "web.yaml", service), "--nameservers=127.0.0.1:9,127.0.0.2:9")
		}, []string{"warning: upstreams: 2 of 2 do not answer: 127.0.0.1:9, 127.0.0.2:9"}},
		{"nanny fine", func(t *testing.T) string {
			return nanny(t, free(t), write(t, "upstreamNameservers", `["192.0.2.53"]`))
		}, []string{"ok: all parts work", "1 of the configuration"}},
		{"nanny ConfigMap refused", func(t *testing.T) string {
			return nanny(t, free(t), write(t, "stubDomains", `{"acme.example": "192.0.2.53"`))
		}, []string{"warning: configuration: refused", "stubDomains"}},
		{"sidecar fine", func(t *testing.T) string {
			return sidecar(t, dnsmasq(t, server(t, dns.RcodeSuccess)), "localhost.example")
		}, []string{"ok: all parts work", "probe dnsmasq", "answers in", "the cache holds", "none fails"}},
		{"sidecar server gone", func(t *testing.T) string { return sidecar(t, free(t), "localhost.example") },
			[]string{"failed: probe dnsmasq", "connection refused", "also: dnsmasq's counters"}},
		{"sidecar dead upstream", func(t *testing.T) string {
			address := dnsmasq(t, server(t, dns.RcodeServerFailure), server(t, dns.RcodeServerFailure))
			ask(t, address)
			return sidecar(t, address, "localhost.example")
		}, []string{"warning: dnsmasq's upstreams: failing: 127.0.0.1:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(browser, t, "http://"+tt.start(t)+"/")
			eventually(t, func() bool {
				p.reload()
				return p.lacks(tt.want) == ""
			})
			p.checkAll(tt.name, tt.want)
		})
	}
}

// apiServerLost starts kube-dns with an API server that stops after the first read.
func apiServerLost(t *testing.T) string {
	t.Helper()
	api, lose := apiServer(t)
	status := kubeDNS(t, "--kube-master-url="+api, "--nameservers="+server(t, dns.RcodeSuccess))
	eventually(t, func() bool { return strings.Contains(get(t, status, "text"), "1 Service") })
	lose()
	return status
}

// TestExplain uses the form with only the keyboard and without scripts: the reply is on the first
// screen.
func TestExplain(t *testing.T) {
	p := open(newBrowser(t), t, "http://"+kubeDNS(t, "--manifests="+write(t, "web.yaml", service),
		"--nameservers="+server(t, dns.RcodeSuccess))+"/")
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, off); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"web.prod", "10.0.0.1"},
		{"web.test", `there is a Service "web" in namespace prod`},
	} {
		p.do(chromedp.EmulateViewport(1280, 720), chromedp.Navigate(p.address))
		eventually(t, func() bool {
			p.do(chromedp.KeyEvent(kb.Tab))
			return evaluate[string](p, "document.activeElement.name || ''") == "name"
		})
		p.do(chromedp.KeyEvent(tt.name), chromedp.KeyEvent(kb.Enter))
		eventually(t, func() bool { return strings.Contains(evaluate[string](p, "location.search"), "name="+tt.name) })
		eventually(t, func() bool { return p.lacks([]string{tt.want}) == "" })
		p.save("explain " + tt.name)
		p.do(chromedp.EmulateViewport(400, 1200))
		if missing := p.lacks([]string{tt.want}); missing != "" {
			t.Errorf("a screen of 400 pixels lacks %q:\n%s", missing, p.firstScreen())
		}
		p.save("explain 400 " + tt.name)
	}
}
