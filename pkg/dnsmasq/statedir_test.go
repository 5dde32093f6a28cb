package dnsmasq

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// publicDir returns a directory that every user can enter. t.TempDir is not.
func publicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nanny-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openState(t *testing.T, path string) *stateDir {
	t.Helper()
	d, err := openStateDir(path, 5353)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

func TestStateDirGiven(t *testing.T) {
	path := filepath.Join(publicDir(t), "a", "b")
	defer syscall.Umask(syscall.Umask(0o077))
	d := openState(t, path)
	if err := d.enterableBy("nobody"); err == nil ||
		!strings.Contains(err.Error(), "/a (mode 0700)") && !strings.Contains(err.Error(), "/a/b (mode 0700)") {
		if os.Geteuid() == 0 {
			t.Errorf("error %v, want one that names the directory that nobody cannot enter", err)
		}
	}
	if _, err := openStateDir(path, 5353); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("opened twice: error %v", err)
	}
	if err := d.writeServers([]byte("server=192.0.2.1\n")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.serversPath())
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the servers file has mode %v, %v; want 0644 whatever the umask", info.Mode(), err)
	}
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 2 {
		t.Errorf("left in the directory: %v, %v; want the lock and the servers file", entries, err)
	}
}

func TestStateDirUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below"), "/proc/nanny"} {
		if d, err := openStateDir(path, 5353); err == nil {
			d.close()
			t.Errorf("%s was opened", path)
		}
	}
}

func TestStateDirDefault(t *testing.T) {
	temp := publicDir(t)
	t.Setenv("TMPDIR", temp)
	want := filepath.Join(temp, "dnsmasq-nanny-5353")
	first := openState(t, "")
	if first.path != want {
		t.Errorf("path %s, want %s", first.path, want)
	}
	second := openState(t, "")
	if second.path == want || !second.temp {
		t.Errorf("a directory in use was opened again: %s", second.path)
	}
	second.close()
	if _, err := os.Stat(second.path); !os.IsNotExist(err) {
		t.Errorf("the directory for this process alone is left: %v", err)
	}
	first.close()
	if again := openState(t, ""); again.path != want {
		t.Errorf("path %s after the first was closed, want %s", again.path, want)
	}
}

// TestStateDirOfOthers: a directory that another user created below /tmp is not used.
func TestStateDirOfOthers(t *testing.T) {
	tests := map[string]func(t *testing.T, path string){
		"writable for all": func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o777); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, path string) {
			if err := os.Symlink(t.TempDir(), path); err != nil {
				t.Fatal(err)
			}
		},
		"of another user": func(t *testing.T, path string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can make one")
			}
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, 12345, 12345); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			temp := publicDir(t)
			t.Setenv("TMPDIR", temp)
			path := filepath.Join(temp, "dnsmasq-nanny-5353")
			prepare(t, path)
			if d := openState(t, ""); d.path == path {
				t.Errorf("%s was opened", path)
			}
		})
	}
}

func TestEnterable(t *testing.T) {
	open := publicDir(t)
	d := openState(t, filepath.Join(open, "state"))
	if err := d.enterableBy("nobody"); err != nil {
		t.Errorf("nobody: %v", err)
	}
	if err := d.enterableBy("no-such-user"); err != nil {
		t.Errorf("an unknown user: %v", err)
	}
	if err := os.Chmod(open, 0o700); err != nil {
		t.Fatal(err)
	}
	err := d.enterableBy("nobody")
	if os.Geteuid() != 0 {
		if err != nil {
			t.Errorf("dnsmasq stays our user, but: %v", err)
		}
		return
	}
	if want := "dnsmasq's user nobody cannot enter " + open + " (mode 0700)"; errText(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := d.enterableBy("root"); err != nil {
		t.Errorf("root: %v", err)
	}
}

// TestServersDir: the servers file is in memory, if possible.
func TestServersDir(t *testing.T) {
	state := openState(t, filepath.Join(publicDir(t), "state"))
	memory := publicDir(t)
	open := func(memory string) (*stateDir, error) {
		t.Helper()
		dir, why := openServersDir(memory, 5353, "nobody", state)
		if dir != state {
			t.Cleanup(dir.close)
		}
		return dir, why
	}
	want := filepath.Join(memory, "dnsmasq-nanny-5353")
	if err := os.Mkdir(want, 0o755); err != nil { // left by a killed process
		t.Fatal(err)
	}
	first, why := open(memory)
	if first.path != want || why != nil {
		t.Errorf("%s, %v; want %s", first.path, why, want)
	}
	second, why := open(memory)
	if second.path == want || filepath.Dir(second.path) != memory || why != nil {
		t.Errorf("%s, %v; want another directory in %s", second.path, why, memory)
	}
	first.close()
	second.close()
	if left, err := os.ReadDir(memory); err != nil || len(left) != 0 {
		t.Errorf("left in memory: %v, %v; want nothing", left, err)
	}
	if dir, why := open(filepath.Join(memory, "none")); dir != state || why == nil {
		t.Errorf("%s, %v; want the state directory, and why", dir.path, why)
	}
	if os.Geteuid() != 0 {
		return // dnsmasq keeps our user, who can enter
	}
	if err := os.Chmod(memory, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, why := open(memory)
	if want := "dnsmasq's user nobody cannot enter " + memory + " (mode 0700)"; dir != state || errText(why) != want {
		t.Errorf("%s, %v; want the state directory, because %s", dir.path, why, want)
	}
	if left, err := os.ReadDir(memory); err != nil || len(left) != 0 {
		t.Errorf("left in memory: %v, %v; want nothing", left, err)
	}
}

// An existing directory keeps its mode.
func TestStateDirKeepsItsMode(t *testing.T) {
	for _, mode := range []fs.FileMode{0o700, 0o750, 0o755 | fs.ModeSetgid, 0o700 | fs.ModeSticky} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		d, err := openStateDir(path, 53)
		if err != nil {
			t.Fatal(err)
		}
		d.close()
		if info, err := os.Stat(path); err != nil || info.Mode()&^fs.ModeDir != mode {
			t.Errorf("mode %v became %v (%v)", mode, info.Mode(), err)
		}
	}
}
