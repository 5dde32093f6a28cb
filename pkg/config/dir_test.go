package config_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

const (
	period = 10 * time.Second
	// offset is the time from a read to the next step of a test. A change that was read has settled
	// by then.
	offset = 500 * time.Millisecond
)

// A poll runs a Dir over its own directory, in a synctest bubble.
type poll struct {
	t       *testing.T
	dir     string
	updates chan config.Update // sent by the Dir; never closed
}

// newPoll starts the Dir; files are in the directory from the start. If files is nil, the directory
// is missing.
func newPoll(t *testing.T, period time.Duration, files map[string]string) *poll {
	p := &poll{t: t, dir: filepath.Join(t.TempDir(), "config"), updates: make(chan config.Update, 10)}
	if files != nil {
		p.mkdir()
	}
	for name, content := range files {
		p.write(name, content)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- config.Dir{Path: p.dir, Period: period}.Run(ctx, func(u config.Update) {
			p.updates <- u
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got error %v, want nil", err)
		}
	})
	time.Sleep(offset)
	synctest.Wait()
	return p
}

func (p *poll) mkdir() {
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
}

func (p *poll) write(name, content string) {
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *poll) remove(name string) {
	if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
		p.t.Fatal(err)
	}
}

// next waits until the next read has settled.
func (p *poll) next() {
	time.Sleep(period)
	synctest.Wait()
}

// want checks the updates since the last call. Each is described by its
// upstreams ("192.0.2.1:53", "defaults") or its error ("invalid",
// "unreadable"). It returns the versions.
func (p *poll) want(want ...string) (versions []string) {
	p.t.Helper()
	var got []string
	for len(p.updates) > 0 {
		u := <-p.updates
		versions = append(versions, u.Version)
		got = append(got, describe(u))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("updates (-want +got):\n%s", diff)
	}
	return versions
}

func describe(u config.Update) string {
	_, invalid := errors.AsType[*config.KeyError](u.Err)
	switch {
	case invalid:
		return "invalid"
	case u.Err != nil:
		return "unreadable"
	case len(u.Config.Upstreams) == 0:
		return "defaults"
	}
	return u.Config.Upstreams[0].String()
}

func upstream(ip string) map[string]string {
	return map[string]string{"upstreamNameservers": `["` + ip + `"]`}
}

// A file that an editor truncates or renames, and writes a moment later, does not mean the default.
// A file that remains blank or missing does.
func TestDirSettles(t *testing.T) {
	for name, change := range map[string]func(*poll){
		"blank":  func(p *poll) { p.write("upstreamNameservers", "\n") },
		"absent": func(p *poll) { p.remove("upstreamNameservers") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPoll(t, period, upstream("192.0.2.1"))
				p.want("192.0.2.1:53")
				change(p)
				time.Sleep(period - offset + 100*time.Millisecond) // after the read
				p.want()
				p.write("upstreamNameservers", `["192.0.2.2"]`)
				time.Sleep(offset - 100*time.Millisecond)
				synctest.Wait()
				p.want("192.0.2.2:53")
				change(p)
				p.next()
				p.want("defaults")
			})
		})
	}
}

func TestDirAppliesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, upstream("192.0.2.1"))
		first := p.want("192.0.2.1:53")
		p.next()
		p.want() // the same content

		p.write("upstreamNameservers", `["192.0.2.2"]`)
		p.want() // not before the end of the period
		p.next()
		second := p.want("192.0.2.2:53")

		p.write("upstreamNameservers", `["192.0.2.1"]`)
		p.next()
		third := p.want("192.0.2.1:53")
		if first[0] == second[0] || first[0] != third[0] {
			t.Errorf("got versions %q, %q, %q, want the first and the last alone equal", first[0], second[0], third[0])
		}

		p.remove("upstreamNameservers")
		p.next()
		if versions := p.want("defaults"); versions[0] != "" {
			t.Errorf("empty directory: got version %q, want none", versions[0])
		}
		p.next()
		p.want()

		p.write("unknown", "x")
		p.next()
		if versions := p.want("defaults"); versions[0] == "" {
			t.Error("a file: got no version")
		}
	})
}

// A key deleted from a mounted ConfigMap has its default once the kubelet has removed its link.
func TestDirNewRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, map[string]string{})
		p.want("defaults")
		revise := func(revision string, files map[string]string) {
			if err := os.Mkdir(filepath.Join(p.dir, revision), 0o700); err != nil {
				t.Fatal(err)
			}
			for name, content := range files {
				p.write(filepath.Join(revision, name), content)
			}
			if err := os.Symlink(revision, filepath.Join(p.dir, "..new")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(p.dir, "..new"), filepath.Join(p.dir, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		revise("..1", upstream("192.0.2.1"))
		if err := os.Symlink("..data/upstreamNameservers", filepath.Join(p.dir, "upstreamNameservers")); err != nil {
			t.Fatal(err)
		}
		p.next()
		p.want("192.0.2.1:53")
		revise("..2", nil) // the link is removed later
		p.next()
		p.want("unreadable")
		p.remove("upstreamNameservers")
		p.next()
		p.want("defaults")
	})
}

func TestDirKeepsEmptyApartFromUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, map[string]string{})
		p.want("defaults")
		p.remove("")
		p.next()
		p.want("unreadable")
		p.mkdir()
		p.next()
		p.want("defaults")
		p.next()
		p.want()
	})
}

func TestDirReportsInvalidContentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, upstream("192.0.2.1"))
		p.want("192.0.2.1:53")
		p.write("upstreamNameservers", `["192.0.2.1:0"]`)
		p.next()
		if versions := p.want("invalid"); versions[0] == "" {
			t.Error("invalid content has no version")
		}
		p.next()
		p.want()

		p.write("upstreamNameservers", `["192.0.2.2:0"]`)
		p.next()
		p.want("invalid") // other content

		p.write("upstreamNameservers", `["192.0.2.1"]`)
		p.next()
		p.want("192.0.2.1:53")
	})
}

func TestDirReportsReadErrorsEveryPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, upstream("192.0.2.1"))
		p.want("192.0.2.1:53")
		p.write("other", "\xff")
		p.next()
		p.next()
		if versions := p.want("unreadable", "unreadable"); versions[0] != "" {
			t.Errorf("got version %q of a read error, want none", versions[0])
		}
		p.remove("other")
		p.next()
		p.want("192.0.2.1:53") // the signal that it can be read again
		p.next()
		p.want()

		p.write("upstreamNameservers", "bad")
		p.next()
		p.want("invalid")
		p.write("other", "\xff")
		p.next()
		p.want("unreadable")
		p.remove("other")
		p.next()
		p.want("invalid")
		p.next()
		p.want()
	})
}

func TestDirMissingAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, nil)
		p.want("unreadable")
		p.mkdir()
		p.write("upstreamNameservers", `["192.0.2.1"]`)
		p.next()
		p.want("192.0.2.1:53")
	})
}

func TestDirInvalidAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoll(t, period, upstream("bad"))
		u := <-p.updates
		got, want := errText(u.Err), "config directory "+p.dir+": key upstreamNameservers: "
		if !strings.HasPrefix(got, want) {
			t.Errorf("got error %q, want it to begin with %q", got, want)
		}
		p.next()
		p.want()
	})
}

func TestDirWithoutPeriodReadsOnce(t *testing.T) {
	for _, none := range []time.Duration{0, -period} {
		t.Run(none.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPoll(t, none, upstream("192.0.2.1"))
				p.want("192.0.2.1:53")
				p.write("upstreamNameservers", `["192.0.2.2"]`)
				p.next()
				p.want()
			})
		})
	}
}

func TestStatic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Config{Upstreams: []config.Nameserver{nameserver("192.0.2.1:53")}}
		var got []config.Update
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- config.Static(cfg).Run(ctx, func(u config.Update) { got = append(got, u) })
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(got) != 1 || !config.Equal(got[0].Config, cfg) || got[0].Version == "" || got[0].Err != nil {
			t.Errorf("got updates %+v, want one of %+v", got, cfg)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got error %v, want nil", err)
		}
	})
}

// A dangling link is no missing directory: there is a configuration, and it cannot be read.
func TestDanglingLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("nothing", filepath.Join(dir, "stubDomains")); err != nil {
		t.Fatal(err)
	}
	_, _, err := config.Read(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "stubDomains") {
		t.Errorf("got %v, want an error that names the file and is not ErrNotExist", err)
	}
	if _, _, err := config.Read(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a missing directory, want ErrNotExist", err)
	}
}
