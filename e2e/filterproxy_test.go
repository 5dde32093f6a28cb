package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const discoveryGroup = "discovery.k8s.io"

// A filterProxy is a proxy for the API server that removes parts of it, or all of it. Callers
// authenticate to the API server itself.
type filterProxy struct {
	// hideDiscovery makes it an API server without EndpointSlices. Set it before the first request.
	hideDiscovery bool
	// Watches from this version or older get "too old resource version", so that clients must list
	// again; expired counts them.
	expireUpTo, expired atomic.Int64
	// marked counts the watches with a bookmark, other than the one that ends a list.
	marked atomic.Int64
	// fault can reply to a request itself, and then reports true. Nil: no fault.
	fault atomic.Pointer[fault]
	// http1 restricts it to HTTP/1.1; otherwise it only speaks HTTP/2. Set it while the proxy is
	// down.
	http1 bool
	// delay is the delay of each piece of data from watches.
	delay atomic.Int64

	to    identity
	addr  string
	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	server *httptest.Server // nil while down
	hung   chan struct{}    // closed: open watches that have it receive nothing more
}

// A fault is a failure of a request.
type fault func(http.ResponseWriter, *http.Request) (answered bool)

// startFilterProxy starts a proxy to the API server that id names.
func startFilterProxy(t *testing.T, id identity) *filterProxy {
	t.Helper()
	target, err := url.Parse(id.url)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(&rest.Config{Host: id.url, TLSClientConfig: rest.TLSClientConfig{CAData: id.ca}})
	if err != nil {
		t.Fatal(err)
	}
	p := &filterProxy{
		to:   id,
		addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t))),
		hung: make(chan struct{}),
	}
	p.proxy = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1, // watch events must pass at once
		ModifyResponse: p.modifyResponse,
		// Requests cut off by the client or by down are expected.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	p.up(t)
	t.Cleanup(func() { p.down(t) })
	return p
}

// up makes the proxy reachable, always at the same address.
func (p *filterProxy) up(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return
	}
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatalf("listen for the filter proxy: %v", err)
	}
	p.server = httptest.NewUnstartedServer(p)
	_ = p.server.Listener.Close()
	p.server.Listener = listener
	p.server.Config.ErrorLog = p.proxy.ErrorLog
	p.server.EnableHTTP2 = !p.http1
	p.server.StartTLS()
}

// down closes all connections and refuses new ones.
func (p *filterProxy) down(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		server.Close()
		close(closed)
	}()
	for { // a connection might be new since the last iteration
		server.CloseClientConnections()
		select {
		case <-closed:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// hang silences the open watches. Their connections remain, and new ones work: one of several API
// servers hangs.
func (p *filterProxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.hung)
	p.hung = make(chan struct{})
}

// A watchBody is the data of a watch, until it hangs or the client disconnects.
type watchBody struct {
	io.ReadCloser
	proxy      *filterProxy
	hung, gone <-chan struct{}
	bookmarks  int // -1: the list is not complete
}

func (b *watchBody) Read(buf []byte) (int, error) {
	if delay := time.Duration(b.proxy.delay.Load()); delay > 0 {
		select {
		case <-b.gone:
		case <-time.After(delay):
		}
	}
	n, err := b.ReadCloser.Read(buf)
	select {
	case <-b.hung:
		<-b.gone
		return 0, io.ErrUnexpectedEOF
	default:
	}
	if bytes.Contains(buf[:n], []byte("BOOKMARK")) {
		if b.bookmarks++; b.bookmarks == 1 {
			b.proxy.marked.Add(1)
		}
	}
	return n, err
}

// identity is the caller's identity with the proxy as its API server. The
// proxy must be up.
func (p *filterProxy) identity() identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return identity{token: p.to.token, ca: ca, url: p.server.URL}
}

func (p *filterProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := p.fault.Load(); f != nil && (*f)(w, r) {
		return
	}
	query := r.URL.Query()
	if watch := query.Get("watch"); watch == "true" || watch == "1" {
		version, err := strconv.ParseInt(query.Get("resourceVersion"), 10, 64)
		if err == nil && version > 0 && version <= p.expireUpTo.Load() && !query.Has("sendInitialEvents") {
			p.expired.Add(1)
			writeStatus(w, http.StatusGone, metav1.StatusReasonExpired, fmt.Sprintf("too old resource version: %d", version))
			return
		}
	}
	if p.hideDiscovery {
		if strings.HasPrefix(r.URL.Path, "/apis/"+discoveryGroup) {
			writeStatus(w, http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
			return
		}
		if r.URL.Path == "/apis" {
			// modifyResponse can only read the plain list.
			r.Header.Set("Accept", "application/json")
			r.Header.Del("Accept-Encoding")
		}
	}
	p.proxy.ServeHTTP(w, r)
}

// modifyResponse removes the group of EndpointSlices from the list of groups, and tracks the
// watches.
func (p *filterProxy) modifyResponse(resp *http.Response) error {
	if query := resp.Request.URL.Query(); query.Has("watch") {
		p.mu.Lock()
		defer p.mu.Unlock()
		body := &watchBody{ReadCloser: resp.Body, proxy: p, hung: p.hung, gone: resp.Request.Context().Done()}
		if query.Has("sendInitialEvents") {
			body.bookmarks = -1
		}
		resp.Body = body
	}
	if !p.hideDiscovery || resp.Request.URL.Path != "/apis" || resp.StatusCode != http.StatusOK {
		return nil
	}
	var groups metav1.APIGroupList
	if err := json.NewDecoder(resp.Body).Decode(&groups); err != nil {
		return err
	}
	kept := groups.Groups[:0]
	for _, group := range groups.Groups {
		if group.Name != discoveryGroup {
			kept = append(kept, group)
		}
	}
	groups.Groups = kept
	body, err := json.Marshal(groups)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// writeStatus writes an error like the API server.
func writeStatus(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}
