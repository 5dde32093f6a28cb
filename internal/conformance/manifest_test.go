package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// Times of a ManifestTarget.
const (
	configPeriod = 200 * time.Millisecond
	startTimeout = 30 * time.Second
	seenTimeout  = time.Minute
	pollInterval = 20 * time.Millisecond
)

// A ManifestTarget is a kube-dns process that reads its objects from a
// directory of manifests and its configuration from another.
type ManifestTarget struct {
	dir        string // of everything below
	server     string
	process    *process
	generation uint16 // of the marker
}

// NewManifestTarget starts the kube-dns binary with further arguments, waits
// until it is ready, and stops it when the test ends. The test fails if the process exits
// early or does not stop cleanly. After a failure the end of its log is printed.
func NewManifestTarget(t testing.TB, binary string, args ...string) *ManifestTarget {
	t.Helper()
	m := &ManifestTarget{dir: t.TempDir()}
	if err := m.prepare(); err != nil {
		t.Fatal(err)
	}
	// Another process may bind a free port before kube-dns.
	var err error
	for range 3 {
		if err = m.start(t, binary, args); err == nil {
			t.Cleanup(func() { m.stop(t) })
			return m
		}
	}
	t.Fatalf("start %s: %v", binary, err)
	return nil
}

func (m *ManifestTarget) objectDir() string { return filepath.Join(m.dir, "objects") }
func (m *ManifestTarget) configDir() string { return filepath.Join(m.dir, "config") }

// prepare makes the directories and the two Services that each cluster has.
func (m *ManifestTarget) prepare() error {
	for _, dir := range []string{m.objectDir(), m.configDir()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	standard := []Object{
		newService("default", "kubernetes", netip.MustParseAddr("10.96.0.1"), "https", "TCP", 443),
		newService("kube-system", "kube-dns", netip.MustParseAddr("10.96.0.10"), "dns", "UDP", 53),
	}
	for _, object := range standard {
		if err := m.write(object); err != nil {
			return err
		}
	}
	return nil
}

func newService(namespace, name string, ip netip.Addr, port, protocol string, number float64) Object {
	return Object{
		"apiVersion": "v1",
		"kind":       "Service",
		"metadata":   map[string]any{"name": name, "namespace": namespace},
		"spec": map[string]any{
			"clusterIP": ip.String(),
			"ports":     []any{map[string]any{"name": port, "protocol": protocol, "port": number}},
		},
	}
}

func (m *ManifestTarget) start(t testing.TB, binary string, args []string) error {
	dns, health := dnstest.FreeAddr(t), dnstest.FreeAddr(t)
	m.server = dns.String()
	var err error
	m.process, err = startProcess(binary, append([]string{
		"--manifests=" + m.objectDir(),
		"--config-dir=" + m.configDir(),
		"--config-period=" + configPeriod.String(),
		"--dns-bind-address=127.0.0.1",
		"--dns-port=" + strconv.Itoa(int(dns.Port())),
		"--healthz-port=" + strconv.Itoa(int(health.Port())),
		"--domain=" + Zone,
	}, args...))
	if err != nil {
		return err
	}
	readiness := fmt.Sprintf("http://%s/readiness", health)
	if err := m.waitReady(t.Context(), readiness); err != nil {
		_ = m.process.stop() // how it ends does not matter any more
		return fmt.Errorf("%w; its log:\n%s", err, m.process.log)
	}
	return nil
}

// waitReady waits until the status page returns 200.
func (m *ManifestTarget) waitReady(ctx context.Context, url string) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer := "no reply"
	err := m.wait(ctx, startTimeout, func() bool {
		response, err := client.Get(url)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		answer = response.Status
		return response.StatusCode == http.StatusOK
	})
	if err != nil {
		return fmt.Errorf("%s is not ready (%s): %w", url, answer, err)
	}
	return nil
}

// wait polls until done returns true or the process exits.
func (m *ManifestTarget) wait(ctx context.Context, timeout time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for !done() {
		select {
		case <-m.process.ended:
			return m.process.failure()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
	return nil
}

func (m *ManifestTarget) stop(t testing.TB) {
	if err := m.process.stop(); err != nil {
		t.Errorf("stop kube-dns: %v", err)
	}
	if t.Failed() {
		t.Logf("end of the log of kube-dns:\n%s", m.process.log)
	}
}

// Server implements [Target].
func (m *ManifestTarget) Server() string { return m.server }

// Change implements [Target]. A process reads any ClusterIP from a file, so
// given is nil.
func (m *ManifestTarget) Change(ctx context.Context, apply []Object, del []Ref) (map[netip.Addr]netip.Addr, error) {
	for _, object := range apply {
		if err := m.write(object); err != nil {
			return nil, err
		}
	}
	for _, ref := range del {
		if err := os.Remove(m.path(ref)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, m.mark(ctx)
}

func (m *ManifestTarget) path(ref Ref) string {
	return filepath.Join(m.objectDir(), fmt.Sprintf("%s_%s_%s.yaml", strings.ToLower(ref.Kind), ref.Namespace,
		ref.Name))
}

func (m *ManifestTarget) write(object Object) error {
	return m.writeTo(m.path(object.Ref()), object)
}

func (m *ManifestTarget) writeTo(path string, object Object) error {
	data, err := yaml.Marshal(object)
	if err != nil {
		return err
	}
	return replaceFile(path, data)
}

// mark waits until the server has read all earlier files: it writes a Service with a new address
// and queries it. The file's name sorts first, and a server reads the entire directory at once.
func (m *ManifestTarget) mark(ctx context.Context) error {
	m.generation++
	ip := netip.AddrFrom4([4]byte{10, 111, byte(m.generation >> 8), byte(m.generation)})
	marker := newService("conformance", "marker", ip, "marker", "TCP", 1)
	if err := m.writeTo(filepath.Join(m.objectDir(), "0-marker.yaml"), marker); err != nil {
		return err
	}
	name := "marker.conformance.svc." + Zone
	q := Query{Question: Question{Name: name, Type: "A"}, Expect: Expect{
		Rcode:  "NOERROR",
		Answer: []Record{{Owner: name, Type: "A", Rdata: ip.String()}},
	}}
	var problems []string
	err := m.wait(ctx, seenTimeout, func() bool {
		reply, err := Ask(ctx, m.server, q)
		problems = q.Check(reply, err, time.Now())
		return len(problems) == 0
	})
	if err != nil {
		return fmt.Errorf("objects are not seen (%s): %w", strings.Join(problems, "; "), err)
	}
	return nil
}

// Configure implements [Target]. No query shows that a refused configuration was read, so
// it waits for some periods.
func (m *ManifestTarget) Configure(ctx context.Context, files map[string]string) error {
	if err := WriteConfigDir(m.configDir(), files); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * configPeriod):
		return nil
	}
}

// replaceFile writes a file in one step: a reader sees the old content or the new one.
func replaceFile(path string, data []byte) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
