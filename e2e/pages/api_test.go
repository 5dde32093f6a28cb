package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// apiServer starts an API server with one Service. lose stops it.
func apiServer(t *testing.T) (address string, lose func()) {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	list := func(kind, version, items string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Query().Get("watch") == "" {
				fmt.Fprintf(w, `{"kind": %q, "apiVersion": %q, "metadata": {"resourceVersion": "5"}, "items": [%s]}`,
					kind, version, items)
				return
			}
			_ = http.NewResponseController(w).Flush() // an error means a disconnected client
			select {
			case <-ended.Done():
			case <-r.Context().Done():
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"major": "1", "minor": "26", "gitVersion": "v1.26.0"}`) // which does not stream lists
	})
	mux.HandleFunc("/api/v1/services", list("ServiceList", "v1",
		`{"metadata": {"name": "web", "namespace": "prod", "uid": "1", "resourceVersion": "4"}, `+
			`"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}}`))
	mux.HandleFunc("/apis/discovery.k8s.io/v1/endpointslices", list("EndpointSliceList", "discovery.k8s.io/v1", ""))
	server := httptest.NewServer(mux)
	lose = func() {
		end()
		server.CloseClientConnections()
		server.Close()
	}
	t.Cleanup(func() { end(); server.Close() })
	return server.URL, lose
}
