package pages

import (
	"context"
	"fmt"
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
)

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
	t       *testing.T
	ctx     context.Context
	address string

	mu       sync.Mutex
	requests []string
}

func open(browser context.Context, t *testing.T, address string) *view {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := &view{t: t, ctx: ctx, address: address}
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

// reload loads the page again and shows its top.
func (p *view) reload() {
	p.t.Helper()
	evaluate[any](p, "history.scrollRestoration = 'manual'")
	p.do(chromedp.Reload())
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

// firstScreen returns the text visible without scrolling.
func (p *view) firstScreen() string {
	return evaluate[string](p, `[...document.querySelectorAll("h1,p,th,td,caption")].filter(e => {
		const r = e.getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth
	}).map(e => e.innerText).join("\n")`)
}

// lacks returns the first text that is not visible without scrolling, or "".
func (p *view) lacks(want []string) string {
	p.t.Helper()
	screen := p.firstScreen()
	for _, text := range want {
		if !strings.Contains(screen, text) {
			return text
		}
	}
	return ""
}

// checkAll checks the requirements of all pages. The texts of want are on the first screen for any
// colors and width, and without scripts. A narrow screen has only the verdict, want[0].
func (p *view) checkAll(name string, want []string) {
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
		if missing := p.lacks(want); missing != "" {
			p.t.Errorf("%s: the first screen lacks %q:\n%s", scheme, missing, p.firstScreen())
		}
		if low := evaluate[[]string](p, lowContrast); len(low) > 0 {
			p.t.Errorf("%s: a contrast below 4.5:1: %s", scheme, strings.Join(low, ", "))
		}
		p.save(name + " " + scheme)
	}
	p.checkFocus()
	for _, width := range []int64{400, 320} { // still dark
		p.do(chromedp.EmulateViewport(width, 640))
		p.reload()
		if got := evaluate[int64](p, "document.documentElement.scrollWidth"); got > width {
			p.t.Errorf("a screen of %d pixels scrolls to %d", width, got)
		}
		if missing := p.lacks(want[:1]); missing != "" {
			p.t.Errorf("the first screen of %d pixels lacks %q:\n%s", width, missing, p.firstScreen())
		}
		p.save(fmt.Sprintf("%s %d", name, width))
	}
	p.checkWithoutScripts(want)
}

// checkWithoutScripts checks the page of a browser that runs no scripts.
func (p *view) checkWithoutScripts(want []string) {
	p.t.Helper()
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, off); err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1280, 720))
	p.reload()
	if missing := p.lacks(want); missing != "" {
		p.t.Errorf("without scripts the first screen lacks %q:\n%s", missing, p.firstScreen())
	}
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
