package world

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside marks the second process, which is in namespaces.
const inside = "NODE_CACHE_WORLD"

// tools are the programs that the tests run, with the Debian package of each.
var tools = map[string]string{
	"iptables-legacy": "iptables", "iptables-nft": "iptables", "nft": "nftables", "setpriv": "util-linux",
}

// Main runs the tests in a second process, as root in its own namespaces. Main returns the exit
// code.
func Main(m interface{ Run() int }) int {
	flag.Parse()
	var code int
	var err error
	if os.Getenv(inside) == "" {
		code, err = runInside()
	} else if err = mounts(); err == nil {
		return m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		return 1
	}
	return code
}

func runInside() (int, error) {
	for tool, debian := range tools {
		if _, err := lookPath(tool); err != nil {
			return 1, fmt.Errorf("%w: apt-get install --no-install-recommends %s", err, debian)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// The kernel kills the child with the thread that started it.
	runtime.LockOSThread()
	// The tests wait for timeouts most of the time.
	cmd := exec.Command(self, append(os.Args[1:], "-test.parallel=8")...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
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

// mounts mounts /proc for our processes, and our own /run with the lock of iptables.
func mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return nil
}

// lookPath finds a program, also in root's PATH.
func lookPath(tool string) (string, error) {
	if path, err := exec.LookPath(tool); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", tool))
}
