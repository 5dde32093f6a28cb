package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kube-dns/kube-dns/internal/httpd"
)

func TestAccess(t *testing.T) {
	for _, tt := range []struct {
		access httpd.Access
		from   string
		method string
		site   string
		want   int
	}{
		{httpd.Loopback, "127.0.0.1:1", "POST", "", 200},
		{httpd.Loopback, "[::1]:1", "POST", "", 200},
		{httpd.Loopback, "[::ffff:127.0.0.1]:1", "GET", "", 200},
		{httpd.Loopback, "10.1.2.3:1", "GET", "", 403},
		{httpd.Loopback, "[fd00::1]:1", "PUT", "", 403},
		{httpd.Loopback, "", "GET", "", 403},
		{httpd.Loopback, "127.0.0.1:1", "POST", "cross-site", 403},
		{httpd.Loopback, "127.0.0.1:1", "GET", "cross-site", 200},
		{httpd.Anyone, "10.1.2.3:1", "POST", "", 200},
		{httpd.NoAccess, "127.0.0.1:1", "GET", "", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "/", nil)
		r.RemoteAddr = tt.from
		r.Host = "localhost:8081"
		r.Header.Set("X-Forwarded-For", "127.0.0.1") // which anyone can write
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := httptest.NewRecorder()
		tt.access.Guard("no", http.HandlerFunc(hello)).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %s from %q, %q: got %d, want %d", tt.access, tt.method, tt.from, tt.site, w.Code, tt.want)
		}
	}
	for host, want := range map[string]int{
		"localhost:8081": 200, "LOCALHOST": 200, "127.0.0.1:8081": 200, "10.1.2.3": 200, "[::1]:8081": 200,
		"[fe80::1%25eth0]":         200,
		"rebound.example.com:8081": 421, "localhost.example.com": 421, "": 421,
	} {
		for _, access := range []httpd.Access{httpd.Loopback, httpd.Anyone} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr, r.Host = "127.0.0.1:1", host
			w := httptest.NewRecorder()
			access.Guard("no", http.HandlerFunc(hello)).ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: host %q: got %d, want %d", access, host, w.Code, want)
			}
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.RemoteAddr, r.Host = "10.1.2.3:1", "kube-dns.kube-system:8081"
	if !httpd.Anyone.Allows(r) {
		t.Error("a pod that names the Service is refused by --querylog-allow=any")
	}
	for text, ok := range map[string]bool{"none": true, "loopback": true, "any": true, "": false, "all": false} {
		if a, err := httpd.ParseAccess(text); (err == nil) != ok || ok && string(a) != text {
			t.Errorf("ParseAccess(%q) = %q, %v", text, a, err)
		}
	}
}
