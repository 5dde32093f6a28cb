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

	// defaultMemoryDir is a tmpfs in every Linux container, also where the root
	// is read-only.
	defaultMemoryDir = "/dev/shm"
	// probeSize is what must fit into a directory: a servers file of some
	// hundred lines.
	probeSize = 8 << 10
)

// A stateDir is a directory in which a nanny keeps dnsmasq's servers file, or
// its own last good configuration, or both. It belongs to one nanny at a time.
type stateDir struct {
	path string
	lock *os.File
	temp bool // made for this process alone
}

// openStateDir makes and locks the directory at path. With an empty path it
// chooses one below the system's temporary directory, by dnsmasq's port; when
// that is not safe or in use, one of its own, which goes with the process.
func openStateDir(path string, port uint16) (*stateDir, error) {
	if path != "" {
		return lockStateDir(path)
	}
	return openOwnDir(os.TempDir(), port)
}

// openServersDir chooses the directory for the servers file, which dnsmasq's
// user must be able to enter: one below memory, which goes with the process,
// because neither a full disk nor a read-only one is in its way there; if that
// cannot be, the directory for the state. why is the reason against memory.
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

// endOrphan ends the dnsmasq that reads its servers from the directory at path,
// which no nanny has: it outlived a nanny that was killed, keeps the port, and
// its servers never change again.
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
		_ = syscall.Kill(-pid, sig) // its process group, as we made it
		time.Sleep(orphanStep)
	}
}

// An orphan has half of orphanTime to end after SIGTERM; it is looked at every
// orphanStep.
const (
	orphanTime = 2 * time.Second
	orphanStep = 20 * time.Millisecond
)

// openOwnDir makes and locks a directory below parent, by dnsmasq's port; when
// that is not safe or in use, one of its own, which goes with the process.
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

// lockStateDir makes the directory at path, if need be, and takes it.
func lockStateDir(path string) (*stateDir, error) {
	path, err := filepath.Abs(path) // dnsmasq leaves the working directory
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

// makeDir makes a directory that dnsmasq's user may enter, whatever the umask. A
// directory that is there already keeps its mode.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// ours reports whether path is a directory that only we can write to: in a
// directory for everybody others could have put one there before us.
func ours(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// probe returns an error when no file of size bytes can be made in the directory.
func (d *stateDir) probe(size int) error {
	const name = "probe"
	if err := d.replace(name, make([]byte, size)); err != nil {
		return err
	}
	return os.Remove(filepath.Join(d.path, name))
}

// close gives the directory free.
func (d *stateDir) close() {
	if d.temp { // before the next one takes the lock
		_ = os.RemoveAll(d.path) // what remains is small, and where things are temporary
	}
	d.lock.Close() // unlocks
}

// usableBy returns why dnsmasq, as the user with this name, cannot get its servers
// from a file in the directory; nil when it can.
func (d *stateDir) usableBy(name string) error {
	if err := d.enterableBy(name); err != nil {
		return err
	}
	return d.probe(probeSize)
}

// serversPath is the path of the servers file.
func (d *stateDir) serversPath() string { return filepath.Join(d.path, serversName) }

// enterableBy returns why the user with this name cannot reach the directory; nil
// when it can. dnsmasq reads the file again long after it has become that user,
// and is left without any server when it cannot.
func (d *stateDir) enterableBy(name string) error {
	uid := os.Geteuid() // dnsmasq cannot change its user unless it is root
	if uid == 0 {
		uid = -1 // an unknown user: what holds for others
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

// writeServers replaces the servers file in one step. It makes the directory again
// when that was removed.
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

// writePID keeps dnsmasq's process ID for endOrphan. Without it, as on a full
// disk, an orphan is not found.
func (d *stateDir) writePID(pid int) { _ = d.replace(pidName, []byte(strconv.Itoa(pid))) }

// replace replaces the file of that name, readable for everybody whatever the
// umask. It does not wait for the disk: clients wait for dnsmasq, and every start
// writes these files again.
func (d *stateDir) replace(name string, content []byte) error {
	return atomicfile.WriteCached(filepath.Join(d.path, name), 0o644, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
