package cluster

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/apitest"
)

// An API server without WebSockets gets a port-forward over SPDY.
func TestForwardOverSPDY(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("page " + r.URL.Path))
	}))
	t.Cleanup(web.Close)
	api := apitest.New(t, nil, map[string]string{"8081": web.Listener.Addr().String()})
	var f Flags
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Bind(fs)
	if err := fs.Parse([]string{"--server", api.URL}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	c, err := f.Connect(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pod := Pod{"kube-system", "kube-dns-1"}
	for range 3 { // all share one port-forward
		addr, err := c.Forward(t.Context(), pod, 8081)
		if err != nil {
			t.Fatal(err)
		}
		body, err := Request(t.Context(), http.MethodGet, "http://"+addr+"/readiness")
		if err != nil || string(body) != "page /readiness" {
			t.Errorf("got %q, %v", body, err)
		}
	}
	if api.Refused.Load() != 1 || api.Forwarded.Load() != 1 {
		t.Errorf("%d WebSockets were refused, %d port-forwards began: want one each", api.Refused.Load(),
			api.Forwarded.Load())
	}
}
