package conformance_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// TestKubeDNS plays all vectors against the real kube-dns, which reads its objects from files. The
// runs use Endpoints as they are, equivalent EndpointSlices, and both on the slow path only. One
// runs without dnsmasq.
func TestKubeDNS(t *testing.T) {
	binary := buildKubeDNS(t)
	files, err := conformance.Vectors(conformance.Zone)
	if err != nil {
		t.Fatal(err)
	}
	runs := []struct {
		name      string
		endpoints conformance.EndpointsMode
		shape     string
		args      []string
	}{
		{"endpoints", conformance.EndpointsAsIs, conformance.FeatureDnsmasq, nil},
		{"slices", conformance.EndpointsAsSlices, conformance.FeatureDnsmasq, nil},
		{"without fast path", conformance.EndpointsAndSlices, conformance.FeatureDnsmasq, []string{"--fast-path=false"}},
		{"lean", conformance.EndpointsAsSlices, conformance.FeatureLean,
			[]string{"--direct", "--cache-size=1Mi", "--autopath"}},
	}
	// They mostly wait, so all run at once, even with few processors.
	var group sync.WaitGroup
	defer group.Wait()
	for _, run := range runs {
		group.Go(func() {
			t.Run(run.name, func(t *testing.T) {
				suite := conformance.Suite{
					Target:    conformance.NewManifestTarget(t, binary, run.args...),
					Resolver:  startResolver(t),
					Endpoints: run.endpoints,
					Features:  append([]string{conformance.FeatureDualStack, conformance.FeatureEndpointSlices}, run.shape),
				}
				suite.Run(t, files)
			})
		})
	}
}

// buildKubeDNS builds the command and returns the path of the binary.
func buildKubeDNS(t *testing.T) string {
	t.Helper()
	// The result of a test is cached, and the cache cannot see the input of the compiler. Reading
	// the directories makes the result depend on them.
	const module = "../.."
	for _, dir := range []string{"cmd/kube-dns", "pkg", "internal"} {
		err := filepath.WalkDir(filepath.Join(module, dir),
			func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.ReadFile(filepath.Join(module, "go.mod")); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "kube-dns")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/kube-dns")
	build.Dir = module
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build kube-dns: %v\n%s", err, strings.TrimSpace(string(output)))
	}
	return binary
}
