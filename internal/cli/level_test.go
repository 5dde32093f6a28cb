package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/klog/v2"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func TestLevelHandler(t *testing.T) {
	var level klog.Level
	defer func() { _ = level.Set("0") }()
	for _, tt := range []struct {
		method, body string
		code         int
		text         string
		v            klog.Level // of the process, afterwards
	}{
		{"PUT", "4", 200, "successfully set klog.logging.verbosity to 4", 4},
		{"GET", "", 405, "use PUT", 4},
		{"POST", "2", 405, "use PUT", 4},
		{"PUT", "-1", 400, "the body has to be a number from 0 to 10", 4},
		{"PUT", "11", 400, "from 0 to 10", 4},
		{"PUT", "four", 400, "from 0 to 10", 4},
		{"PUT", "", 400, "from 0 to 10", 4},
		{"PUT", strings.Repeat("0", 65), 400, "too large", 4},
		{"PUT", "2\n", 200, "to 2", 2},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, cli.LevelPath, strings.NewReader(tt.body))
		w := httptest.NewRecorder()
		cli.LevelHandler(cli.Logger()).ServeHTTP(w, r)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s %q: %d %s, want %d %s", tt.method, tt.body, w.Code, w.Body, tt.code, tt.text)
		}
		if !klog.V(tt.v).Enabled() || klog.V(tt.v+1).Enabled() {
			t.Errorf("%s %q: the level is not %d", tt.method, tt.body, tt.v)
		}
		if tt.code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "PUT" {
			t.Errorf("%s: Allow is %q", tt.method, w.Header().Get("Allow"))
		}
	}
}
