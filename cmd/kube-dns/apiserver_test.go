package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// startAPI starts an API server without objects. It returns its URL and its certificate.
func startAPI(t *testing.T) (url string, certificate []byte) {
	t.Helper()
	stopped := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		kind := map[string]string{
			"/api/v1/services": "ServiceList", "/apis/discovery.k8s.io/v1/endpointslices": "EndpointSliceList",
		}[r.URL.Path]
		group := map[string]string{"ServiceList": "v1", "EndpointSliceList": "discovery.k8s.io/v1"}[kind]
		switch {
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{"major":"1","minor":"20","gitVersion":"v1.20.0"}`)
		case kind == "":
			http.NotFound(w, r)
		case r.URL.Query().Get("watch") != "":
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-stopped:
			}
		default:
			fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[]}`, kind, group)
		}
	}))
	t.Cleanup(func() { close(stopped); server.Close() })
	return server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}
