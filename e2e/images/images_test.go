// Package images runs the programs of the images of each architecture, with qemu if it differs from
// this machine's: kube-dns, dnsmasq with its nanny, and the sidecar, which queries both.
//
//	make image-tests ARCHS="arm64 s390x"
package images

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// emulators are the programs of Debian's package qemu-user-static by Go's name of an architecture.
var emulators = map[string]string{
	"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static", "arm": "qemu-arm-static",
	"ppc64le": "qemu-ppc64le-static", "s390x": "qemu-s390x-static",
}

// TestImages builds the images of each architecture in ARCHS, and looks up a cluster name through
// dnsmasq and kube-dns with the sidecar.
func TestImages(t *testing.T) {
	archs := strings.Fields(os.Getenv("ARCHS"))
	if len(archs) == 0 {
		archs = []string{"amd64", "arm64", "arm", "ppc64le", "s390x"}
	}
	for _, arch := range archs {
		t.Run(arch, func(t *testing.T) { testArch(t, arch) })
	}
}

func testArch(t *testing.T, arch string) {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "../../images/build.sh")
	build.Env = append(os.Environ(), "GOARCH="+arch, "OUT="+dir)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := machine{dir: dir}
	if arch != runtime.GOARCH {
		if m.emulator = emulators[arch]; m.emulator == "" {
			t.Fatalf("no emulator is known for %s", arch)
		}
		if _, err := exec.LookPath(m.emulator); err != nil {
			t.Fatalf("%v (Debian: package qemu-user-static)", err)
		}
	}
	for _, name := range []string{"kube-dns", "dnsmasq-nanny", "sidecar", "node-cache"} {
		unpack(t, filepath.Join(dir, "k8s-dns-"+name+".tar"), filepath.Join(dir, name))
	}

	ports := freePorts(t, 3)
	m.start(t, "kube-dns", "--manifests=../../examples/cluster", "--dns-bind-address=127.0.0.1",
		fmt.Sprintf("--dns-port=%d", ports[0]), fmt.Sprintf("--healthz-port=%d", ports[2]))
	m.start(t, "dnsmasq-nanny", "-dnsmasqExec="+m.dnsmasq(t), "-stateDir="+t.TempDir(),
		fmt.Sprintf("-kubednsServer=127.0.0.1:%d", ports[0]), "--", "-k", "-C", "/dev/null", "--no-hosts", "--no-resolv",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--user=", "--pid-file=", fmt.Sprintf("--port=%d", ports[1]),
		fmt.Sprintf("--server=/cluster.local/127.0.0.1#%d", ports[0]))
	const name = "kubernetes.default.svc.cluster.local"
	m.untilAnswered(t, "--once", fmt.Sprintf("--probe=kubedns,127.0.0.1:%d,%s,5,A", ports[0], name),
		fmt.Sprintf("--probe=dnsmasq,127.0.0.1:%d,%s,5,A", ports[1], name),
		fmt.Sprintf("--probe=tcp,tcp://127.0.0.1:%d,%s,5,A", ports[1], name))

	if out, err := m.command(t.Context(), "node-cache", "-version").CombinedOutput(); err != nil {
		t.Errorf("node-cache: %v\n%s", err, out)
	}
}

// A machine runs the programs of the images in dir.
type machine struct {
	dir      string
	emulator string // empty for this machine's architecture
}

// command runs the program of an image with the files of the image.
func (m machine) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	root := filepath.Join(m.dir, name)
	program := filepath.Join(root, name)
	if m.emulator == "" {
		return exec.CommandContext(ctx, program, args...)
	}
	return exec.CommandContext(ctx, m.emulator, append([]string{"-L", root, program}, args...)...)
}

// start runs a program for the duration of the test.
func (m machine) start(t *testing.T, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(m.dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := m.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // at once, without a drain
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		err := cmd.Wait()
		text, _ := os.ReadFile(log.Name())
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s:\n%s", name, text)
		}
		_ = log.Close()
	})
}

// dnsmasq returns a program that runs dnsmasq of the nanny's image.
func (m machine) dnsmasq(t *testing.T) string {
	t.Helper()
	root := filepath.Join(m.dir, "dnsmasq-nanny")
	program := filepath.Join(root, "usr/sbin/dnsmasq")
	run := "exec " + program
	if m.emulator != "" {
		run = "exec " + m.emulator + " -L " + root + " " + program
	}
	path := filepath.Join(m.dir, "dnsmasq")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+run+` "$@"`+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// untilAnswered runs the sidecar until all of its probes have a reply.
func (m machine) untilAnswered(t *testing.T, args ...string) {
	t.Helper()
	var out []byte
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if out, err = m.command(t.Context(), "sidecar", args...).CombinedOutput(); err == nil {
			t.Logf("%s", out)
			return
		}
	}
	t.Fatalf("the sidecar: %v\n%s", err, out)
}

// freePorts returns ports that are free over TCP.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// unpack writes the files of an image's layers below dir.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	blobs := dir + ".blobs"
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	extract(t, f, blobs)
	text, err := os.ReadFile(filepath.Join(blobs, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(text, &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("%s: %d images, %v", archive, len(manifest), err)
	}
	for _, layer := range manifest[0].Layers {
		f, err := os.Open(filepath.Join(blobs, layer))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		extract(t, z, dir)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func extract(t *testing.T, r io.Reader, dir string) {
	t.Helper()
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := place(h, in, filepath.Join(dir, filepath.FromSlash(h.Name))); err != nil {
			t.Fatal(err)
		}
	}
}

// place writes one entry of a tar to path.
func place(h *tar.Header, data io.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, path); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, h.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, data)
	return errors.Join(err, f.Close())
}
