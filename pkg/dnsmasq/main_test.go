package dnsmasq

import (
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/process/processtest"
)

func TestMain(m *testing.M) {
	if code, ok := processtest.Play(); ok {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// dnsmasqPath is where the real dnsmasq is.
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
