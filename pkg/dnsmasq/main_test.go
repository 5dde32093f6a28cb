package dnsmasq

import (
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/process/processtest"
	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

func TestMain(m *testing.M) {
	if code, ok := processtest.Play(); ok {
		os.Exit(code)
	}
	// Most tests wait for timers. The command line can change the default.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// dnsmasqPath returns the path of the real dnsmasq.
func dnsmasqPath(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/dnsmasq")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnsmasq must be installed for the tests: %v", err)
		}
		t.Skipf("dnsmasq is not installed (Debian: dnsmasq-base): %v", err)
	}
	return path
}

// testLog writes to the test's output.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// The keys of the ConfigMap.
const (
	keyStubs     = "stubDomains"
	keyUpstreams = "upstreamNameservers"
)

// parse returns the configuration with these keys and values.
func parse(t *testing.T, keys ...string) config.Config {
	t.Helper()
	files := map[string]string{}
	for i := 0; i < len(keys); i += 2 {
		files[keys[i]] = keys[i+1]
	}
	cfg, err := config.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// servers parses a list of words in the form of --server.
func servers(t testing.TB, text string) []upstreams.Server {
	t.Helper()
	var list []upstreams.Server
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "/") {
			list = append(list, upstreams.ParseOption(word)...)
			continue
		}
		list = append(list, upstreams.ParseOption("/x/"+word)...)
		list[len(list)-1].Domain = ""
	}
	return list
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
