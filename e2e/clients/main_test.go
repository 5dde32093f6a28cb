package clients

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVariable marks the second process, in the namespaces.
const insideVariable = "KUBE_DNS_CLIENTS_DIR"

// resolvConf is a kubelet's file for a pod of namespace default.
const resolvConf = `nameserver 127.0.0.1
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
`

// TestMain runs the test binary again, in its own namespaces. Everything in them stops with that
// process.
func TestMain(m *testing.M) {
	if os.Getenv(sandboxVariable) != "" {
		fmt.Fprintln(os.Stderr, "clients:", enterSandbox()) // it only returns errors
		os.Exit(1)
	}
	if os.Getenv(lookupVariable) != "" {
		if err := lookUp(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if f := flag.Lookup("test.list"); f != nil && f.Value.String() != "" {
		os.Exit(m.Run())
	}
	if os.Getenv(insideVariable) != "" {
		if err := enter(os.Getenv(insideVariable)); err != nil {
			fmt.Fprintln(os.Stderr, "clients:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	code, err := runInside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
	}
	os.Exit(code)
}

// tools are the programs that the tests run, with the Debian package of each.
var tools = map[string]string{
	"unshare": "util-linux", "mount": "mount",
	"dnsmasq": "dnsmasq-base", "ip": "iproute2", "gcc": "gcc", "musl-gcc": "musl-tools",
	"javac": "default-jdk-headless", "java": "default-jdk-headless",
	"nginx": "nginx-light", "haproxy": "haproxy", "unbound": "unbound",
}

// runInside builds, runs the tests in new namespaces and returns their exit code.
func runInside() (int, error) {
	if err := checkTools(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "kube-dns-clients-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	// The programs under test drop their privileges and still read files here.
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	if err := build(dir); err != nil {
		return 1, err
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"="+dir)
	// In its own PID namespace, so that no program outlives the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run the tests in namespaces of their own: %w", err)
	}
	return 0, nil
}

func checkTools() error {
	var missing []string
	for tool, debian := range tools {
		if _, err := lookPath(tool); err != nil {
			missing = append(missing, debian)
		}
	}
	if _, err := os.Stat("/usr/include/ares.h"); err != nil {
		missing = append(missing, "libc-ares-dev")
	}
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("root is needed to make network and mount namespaces"))
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		errs = append(errs, fmt.Errorf("not installed: apt-get install --no-install-recommends %s",
			strings.Join(slices.Compact(missing), " ")))
	}
	return errors.Join(errs...)
}

// lookPath finds a program, also in root's PATH.
func lookPath(tool string) (string, error) {
	if path, err := exec.LookPath(tool); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", tool))
}

// build builds the commands, and the programs in C and Java, in dir/bin.
func build(dir string) error {
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"go", "-C", "../..", "build", "-o", bin + "/", "./cmd/kube-dns", "./cmd/dnsmasq-nanny", "./cmd/sidecar"},
		{"go", "-C", "../../cmd/node-cache", "build", "-o", bin + "/", "."},
		{"gcc", "-O1", "-o", bin + "/glibc", "testdata/getaddrinfo.c"},
		{"musl-gcc", "-O1", "-static", "-o", bin + "/musl", "testdata/getaddrinfo.c"},
		{"gcc", "-O1", "-o", bin + "/cares", "testdata/cares.c", "-lcares"},
		{"javac", "-d", bin, "testdata/Lookup.java"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

// enter prepares the namespaces: a loopback device with the Services' addresses, and the files that
// resolvers read.
func enter(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc for the new PID namespace: %w", err)
	}
	// Our own names of network namespaces.
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("netns", "/run/netns", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run/netns: %w", err)
	}
	for file, text := range map[string]string{
		"/etc/resolv.conf": resolvConf, "/etc/nsswitch.conf": "hosts: files dns\n", "/etc/hosts": "127.0.0.1 localhost\n",
	} {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			continue // its default is the same
		}
		own := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(own, file, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", file, err)
		}
	}
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", webAddr + "/32", "dev", "lo"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}
