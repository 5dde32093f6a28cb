package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// cacheServer serves /cache of a zone with a document that fills every buffer on the way to a
// client that does not read.
func cacheServer(t *testing.T) string {
	t.Helper()
	zone := kubedns.NewZone(kubedns.Options{})
	for i := range 40_000 {
		k := kubedns.Key{Namespace: fmt.Sprint("ns-", i%10), Name: fmt.Sprint("service-", i)}
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		zone.SetService(kubedns.Service{Key: k, ClusterIPs: []netip.Addr{addr}})
	}
	zone.Publish()
	zone.MarkSynced()
	s := &status{zone: zone, queries: newQueryLog(queryLogFlags{}, prometheus.NewRegistry(), nil),
		log: slog.New(slog.DiscardHandler)}
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	return server.URL + "/cache"
}

func getCache(ctx context.Context, t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// While one client reads the document, even slowly, others are refused. After it disconnects, the
// next client gets the complete document.
func TestCacheIsSentToOneClientAtATime(t *testing.T) {
	url := cacheServer(t)
	ctx, leave := context.WithCancel(t.Context())
	slow := getCache(ctx, t, url) // this does not read the body
	refused := getCache(t.Context(), t, url)
	refused.Body.Close()
	if refused.StatusCode != http.StatusServiceUnavailable || refused.Header.Get("Retry-After") == "" {
		t.Errorf("the second client: %s, %v", refused.Status, refused.Header)
	}
	leave()
	slow.Body.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		resp := getCache(t.Context(), t, url)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil || resp.StatusCode != http.StatusOK || !json.Valid(body) {
			t.Errorf("after the first client left: %s, %d bytes, %v", resp.Status, len(body), err)
		}
		return
	}
}

// No request changes anything: only the methods GET and HEAD are allowed.
func TestCacheIsReadOnly(t *testing.T) {
	url := cacheServer(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %s, want 405", method, resp.Status)
		}
	}
}
