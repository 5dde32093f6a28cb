package cluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a client of a server that replies to each path as an API server would.
func connect(t *testing.T, replies map[string]func(http.ResponseWriter)) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, ok := replies[r.URL.Path]
		if !ok {
			status(http.StatusNotFound, "NotFound", "not found")(w)
			return
		}
		reply(w)
	}))
	t.Cleanup(s.Close)
	var f Flags
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Bind(fs)
	if err := fs.Parse([]string{"--server", s.URL}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	c, err := f.Connect(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.CloseClientConnections()
	})
	return c
}

// status is an error of the API server itself.
func status(code int, reason, message string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"` + reason + `","message":"` +
			message + `"}`))
	}
}

// page is a reply of the pod, passed on by the proxy.
func page(code int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func TestGet(t *testing.T) {
	const proxy = "/api/v1/namespaces/kube-system/pods/http:kube-dns-1:8081/proxy"
	c := connect(t, map[string]func(http.ResponseWriter){
		proxy + "/healthz":   page(http.StatusOK, "ok"),
		proxy + "/readiness": page(http.StatusServiceUnavailable, "waiting for\nthe first list"),
		proxy + "/forbidden": status(http.StatusForbidden, "Forbidden", "pods proxy is forbidden"),
		proxy + "/closed": status(http.StatusServiceUnavailable, "ServiceUnavailable",
			"error trying to reach service: refused"),
	})
	pod := Pod{"kube-system", "kube-dns-1"}
	if body, err := c.Get(t.Context(), pod, 8081, "/healthz"); err != nil || string(body) != "ok" {
		t.Errorf("got %q, %v, want ok", body, err)
	}
	_, err := c.Get(t.Context(), pod, 8081, "/readiness")
	if e, ok := errors.AsType[*StatusError](err); !ok || e.Code != 503 || e.Body != "waiting for the first list" {
		t.Errorf("a page that is not 200: got %v, want its status and its text", err)
	}
	for path, want := range map[string]string{
		"/forbidden": "you may not get pods/proxy in namespace kube-system",
		"/closed":    "error trying to reach service: refused",
	} {
		_, err := c.Get(t.Context(), pod, 8081, path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "by port-forward: ") {
			t.Errorf("%s: got %v, want %q and that a port-forward was tried", path, err, want)
		}
	}
}

func TestConnectErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte("root:x:0"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:       file + `" is not a kubeconfig`,
		file + "x": "no such file or directory",
	} {
		var f Flags
		f.Bind(pflag.NewFlagSet("", pflag.ContinueOnError))
		f.kubeconfig = path
		_, err := f.Connect(t.Output())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q in one line", err, want)
		}
	}
}
