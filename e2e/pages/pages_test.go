package pages

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/miekg/dns"
)

const service = `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: prod}, spec: {clusterIP: 10.0.0.1}}`

// kubeDNS starts kube-dns with more arguments and returns the address of its page. It asks
// it for some names outside the cluster first.
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

func nanny(t *testing.T, config string) string {
	t.Helper()
	status, queries := free(t), free(t)
	start(t, status, "dnsmasq-nanny", "-configDir="+config, "-restartDnsmasq=true", "-lameduck=0s", "-httpAddr="+status,
		"--", "-k", "--port="+port(queries), "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts",
		"--log-facility=-", "--pid-file=")
	return status
}

func sidecar(t *testing.T, server string) string {
	t.Helper()
	status := free(t)
	start(t, status, "sidecar", "--prometheus-addr=127.0.0.1", "--prometheus-port="+port(status),
		"--probe=kubedns,"+server+",web.prod.svc.cluster.local,1,A", "--dnsmasq-port="+port(free(t)))
	return status
}

// answering starts a server for names outside the cluster.
func answering(t *testing.T) string {
	t.Helper()
	addr := free(t)
	ready := make(chan struct{})
	s := &dns.Server{Addr: addr, Net: "udp", NotifyStartedFunc: func() { close(ready) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetReply(q)) })}
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

// TestPages checks what the first screen of each page shows.
func TestPages(t *testing.T) {
	browser := newBrowser(t)
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) (addr string)
		want  []string // on the first screen
	}{
		{"kube-dns fine", func(t *testing.T) string {
			return kubeDNS(t, "--manifests="+write(t, "web.yaml", service), "--nameservers="+answering(t))
		}, []string{"ok: all parts work", "1 Services"}},
		{"kube-dns ConfigMap refused", func(t *testing.T) string {
			return kubeDNS(t, "--manifests="+write(t, "web.yaml", service),
				"--config-dir="+write(t, "upstreamNameservers", `["dns.example.com"]`))
		}, []string{"warning: configuration: refused", "upstreamNameservers", "dns.example.com"}},
		{"kube-dns API server gone", func(t *testing.T) string {
			return kubeDNS(t, "--kube-master-url=http://"+free(t), "--nameservers="+answering(t))
		}, []string{"failed: answers: not ready", "connection refused", "also: watch of services, watch of endpoints"}},
		{"kube-dns dead upstream", func(t *testing.T) string {
			return kubeDNS(t, "--manifests="+write(t, "web.yaml", service), "--nameservers=127.0.0.1:9")
		}, []string{"warning: upstreams: 1 of 1 do not answer: 127.0.0.1:9"}},
		{"nanny fine", func(t *testing.T) string {
			return nanny(t, write(t, "upstreamNameservers", `["192.0.2.53"]`))
		}, []string{"ok: all parts work", "192.0.2.53"}},
		{"nanny ConfigMap refused", func(t *testing.T) string {
			return nanny(t, write(t, "stubDomains", `{"acme.example": "192.0.2.53"`))
		}, []string{"warning: configuration: refused", "stubDomains"}},
		{"sidecar server gone", func(t *testing.T) string { return sidecar(t, free(t)) },
			[]string{"failed: probe kubedns", "connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(browser, t, "http://"+tt.start(t)+"/")
			eventually(t, func() bool {
				p.do(chromedp.Reload())
				return !slices.ContainsFunc(tt.want, func(text string) bool { return !strings.Contains(p.firstScreen(), text) })
			})
			p.checkAll(tt.name)
		})
	}
}

// newBrowser starts one browser for all pages.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(cancel)
	browser, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("cannot start chromium (Debian: package chromium): %v", err)
	}
	return browser
}

// A view is one page in the browser.
type view struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
}

func open(browser context.Context, t *testing.T, address string) *view {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := &view{t: t, ctx: ctx}
	err := chromedp.Listen(ctx, func(event any) {
		if r, ok := event.(*network.EventRequestWillBeSent); ok {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.requests = append(p.requests, r.Request.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1280, 720), chromedp.Navigate(address))
	return p
}

func (p *view) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// evaluate returns the value of an expression in the page.
func evaluate[T any](p *view, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}

// firstScreen returns the text that is seen without scrolling.
func (p *view) firstScreen() string {
	return evaluate[string](p, `[...document.querySelectorAll("h1,p,th,td,caption")].filter(e => {
		const r = e.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth
	}).map(e => e.innerText).join("\n")`)
}

func (p *view) checkAll(name string) {
	p.t.Helper()
	here, _ := url.Parse(evaluate[string](p, "location.href"))
	p.mu.Lock()
	requests := slices.Clone(p.requests)
	p.mu.Unlock()
	for _, address := range requests {
		if u, err := url.Parse(address); err != nil || u.Host != here.Host {
			p.t.Errorf("the page loads %s", address)
		}
	}
	if n := evaluate[int](p, `document.querySelectorAll("script,link,img,iframe,[onclick],[onload]").length`); n > 0 {
		p.t.Errorf("the page has %d scripts or files of other addresses", n)
	}
	for _, scheme := range []string{"light", "dark"} {
		media := emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}
		if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
			p.t.Fatal(err)
		}
		if low := evaluate[[]string](p, lowContrast); len(low) > 0 {
			p.t.Errorf("%s: a contrast below 4.5:1: %s", scheme, strings.Join(low, ", "))
		}
		p.save(name + " " + scheme)
	}
	p.checkFocus()
	p.do(chromedp.EmulateViewport(320, 640))
	if width := evaluate[int](p, "document.documentElement.scrollWidth"); width > 320 {
		p.t.Errorf("a screen of 320 pixels scrolls to %d", width)
	}
	evaluate[any](p, "scrollTo(0, 0)")
	p.save(name + " 320")
}

// checkFocus checks that the key Tab reaches all controls, in the order of the text.
func (p *view) checkFocus() {
	p.t.Helper()
	want := evaluate[[]string](p, `[...document.querySelectorAll("input,select,button,a[href]")].map(e => e.outerHTML)`)
	var got []string
	for range want {
		p.do(chromedp.KeyEvent(kb.Tab))
		got = append(got, evaluate[string](p, "document.activeElement.outerHTML"))
		if evaluate[string](p, "getComputedStyle(document.activeElement).outlineStyle") == "none" {
			p.t.Errorf("the focus is not seen at %s", got[len(got)-1])
		}
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("the key Tab reaches\n%q, want\n%q", got, want)
	}
}

// save stores a screenshot in the directory PAGES_DIR, if it is set.
func (p *view) save(name string) {
	p.t.Helper()
	dir := os.Getenv("PAGES_DIR")
	if dir == "" {
		return
	}
	image, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".png")
	if err := os.WriteFile(file, image, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// lowContrast lists texts with too little contrast (WCAG 2.2, 1.4.3), by computed styles.
const lowContrast = `(() => {
	const parse = s => s.match(/[\d.]+/g).map(Number)
	const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
	const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
	const back = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor)
			if (c.length == 3 || c[3] == 1) return c
		}
		return [255, 255, 255]
	}
	const low = []
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())
		if (!own && !["INPUT", "SELECT"].includes(e.tagName)) continue
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(back(e))].sort((x, y) => y - x)
		const ratio = (a + 0.05) / (b + 0.05)
		if (ratio < 4.5) low.push(e.tagName + " " + (e.innerText || e.name) + " " + ratio.toFixed(2))
	}
	return low
})()`
