package dnsmasq

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/internal/atomicfile"
)

const (
	serversName  = "servers.conf"
	lastGoodName = "last-good.json"
	lockName     = "lock"
	pidName      = "dnsmasq.pid"
	dirPrefix    = "dnsmasq-nanny-"

	// defaultMemoryDir is a tmpfs in every Linux container, even with a read-only root.
	defaultMemoryDir = "/dev/shm"
	// probeSize must fit into a directory: a servers file of some hundred lines.
	probeSize = 8 << 10
)

// A stateDir is a directory for dnsmasq's servers file, or the nanny's last good configuration, or
// both. It belongs to one nanny at a time.
type stateDir struct {
	path string
	lock *os.File
	temp bool // only for this process
}

// openStateDir creates and locks the directory at path. With an empty path, it chooses one below
// the system's temporary directory, by dnsmasq's port. If that is unsafe or in use, it creates one
// for this process only.
func openStateDir(path string, port uint16) (*stateDir, error) {
	if path != "" {
		return lockStateDir(path)
	}
	return openOwnDir(os.TempDir(), port)
}

// openServersDir chooses the directory of the servers file, which dnsmasq's user must be able to
// enter: one below memory for this process, which no full or read-only disk affects, or else the
// directory for the state. why is the reason against memory.
func openServersDir(memory string, port uint16, user string, state *stateDir) (dir *stateDir, why error) {
	dir, err := openOwnDir(memory, port)
	if err != nil {
		return state, err
	}
	endOrphan(dir.path)
	dir.temp = true
	if err := dir.usableBy(user); err != nil {
		dir.close()
		return state, err
	}
	return dir, nil
}

// endOrphan stops the dnsmasq with its servers file in the directory at path, which no nanny has.
// It outlived a nanny that was killed, keeps the port, and its servers never change again.
func endOrphan(path string) {
	b, err := os.ReadFile(filepath.Join(path, pidName))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil || pid <= 1 {
		return
	}
	reads := []byte("--servers-file=" + filepath.Join(path, serversName) + "\x00")
	isOrphan := func() bool {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err == nil && bytes.Contains(cmdline, reads)
	}
	for i := 0; isOrphan() && i < int(orphanTime/orphanStep); i++ {
		sig := syscall.SIGTERM
		if i > int(orphanTime/orphanStep)/2 {
			sig = syscall.SIGKILL
		}
		_ = syscall.Kill(-pid, sig) // its process group, which we created
		time.Sleep(orphanStep)
	}
}

// An orphan has half of orphanTime to exit after SIGTERM. It is checked every orphanStep.
const (
	orphanTime = 2 * time.Second
	orphanStep = 20 * time.Millisecond
)

// openOwnDir creates and locks a directory below parent, by dnsmasq's port. If that is unsafe or in
// use, it creates one for this process only.
func openOwnDir(parent string, port uint16) (*stateDir, error) {
	path := filepath.Join(parent, dirPrefix+strconv.Itoa(int(port)))
	err := makeDir(path)
	if err == nil || errors.Is(err, fs.ErrExist) && ours(path) {
		if d, err := lockStateDir(path); err == nil {
			return d, nil
		}
	}
	path, err = os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return nil, err // names the path
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return nil, err
	}
	d, err := lockStateDir(path)
	if err != nil {
		return nil, err
	}
	d.temp = true
	return d, nil
}

// lockStateDir creates the directory at path, if needed, and locks it.
func lockStateDir(path string) (*stateDir, error) {
	path, err := filepath.Abs(path) // dnsmasq changes its working directory
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := makeDir(path); err != nil {
			return nil, err
		}
	}
	// Other users cannot open the file, so they cannot hold the lock.
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%s is in use by another process: %w", path, err)
	}
	d := &stateDir{path: path, lock: lock}
	if err := d.probe(0); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// makeDir creates a directory that dnsmasq's user may enter, whatever the umask. An existing
// directory keeps its mode.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// ours reports whether only we can write to path: in a shared directory, another user can have
// created it first.
func ours(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// probe returns an error if no file of size bytes can be created in the directory.
func (d *stateDir) probe(size int) error {
	const name = "probe"
	if err := d.replace(name, make([]byte, size)); err != nil {
		return err
	}
	return os.Remove(filepath.Join(d.path, name))
}

// close releases the directory.
func (d *stateDir) close() {
	if d.temp { // before the lock is released
		_ = os.RemoveAll(d.path) // the rest is small, and in a temporary place
	}
	d.lock.Close() // unlocks
}

// usableBy returns why dnsmasq, as the user with this name, cannot read its servers from a file in
// the directory; nil if it can.
func (d *stateDir) usableBy(name string) error {
	if err := d.enterableBy(name); err != nil {
		return err
	}
	return d.probe(probeSize)
}

// serversPath returns the path of the servers file.
func (d *stateDir) serversPath() string { return filepath.Join(d.path, serversName) }

// enterableBy returns why the user with this name cannot reach the directory; nil if it can.
// dnsmasq reads the file again long after it has become that user. It has no servers if it cannot.
func (d *stateDir) enterableBy(name string) error {
	uid := os.Geteuid() // dnsmasq cannot change its user unless it is root
	if uid == 0 {
		uid = -1 // an unknown user: use the mode for others
		if u, err := user.Lookup(name); err == nil {
			if uid, err = strconv.Atoi(u.Uid); err != nil {
				return fmt.Errorf("user %s: %w", name, err)
			}
		}
	}
	for dir := d.path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		bit := fs.FileMode(0o001)
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == uid {
			bit = 0o100
		}
		if info.Mode().Perm()&bit == 0 {
			return fmt.Errorf("dnsmasq's user %s cannot enter %s (mode %04o)", name, dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// writeServers replaces the servers file atomically. It recreates a removed directory.
func (d *stateDir) writeServers(content []byte) error {
	err := d.replace(serversName, content)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	again, lockErr := lockStateDir(d.path)
	if lockErr != nil {
		return errors.Join(err, lockErr)
	}
	d.lock.Close() // of a file that is gone
	d.lock = again.lock
	return d.replace(serversName, content)
}

// writePID stores dnsmasq's process ID for endOrphan. Without it, as on a full disk, an orphan is
// not found.
func (d *stateDir) writePID(pid int) { _ = d.replace(pidName, []byte(strconv.Itoa(pid))) }

// replace replaces the file of that name, readable for everybody whatever the umask. It does not
// wait for the disk: clients wait for dnsmasq, and every start writes these files again.
func (d *stateDir) replace(name string, content []byte) error {
	return atomicfile.WriteCached(filepath.Join(d.path, name), 0o644, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
