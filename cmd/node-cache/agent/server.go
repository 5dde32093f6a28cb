package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
	"github.com/kube-dns/kube-dns/cmd/node-cache/sources"
	"github.com/kube-dns/kube-dns/internal/atomicfile"
)

// A server runs the newest Corefile that CoreDNS accepts.
type server struct {
	opts      coredns.Options
	emergency func(reason string) string
	started   chan struct{} // closed when DNS listens
	announce  bool          // log a line before each change (-reloadwithsignal)
	failed    func()        // counts a refused Corefile
	log       *slog.Logger

	mu      sync.Mutex
	running *coredns.Server
	text    string            // the running Corefile
	last    sources.Candidate // accepted or not
	ended   bool

	usable atomic.Bool // cluster names can be resolved
}

// apply puts a Candidate into use. It fails only if no Corefile can run.
func (s *server) apply(c sources.Candidate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sameImports := c.Imports == s.last.Imports
	s.last = c
	switch {
	case s.ended:
		return nil
	case s.running == nil:
		return s.start(c)
	case c.Text == s.text && sameImports:
		return nil
	}
	s.reload(c)
	return nil
}

// again reloads the last Candidate.
func (s *server) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil && !s.ended {
		s.reload(s.last)
	}
}

func (s *server) reload(c sources.Candidate) {
	if c.Text == "" {
		return // the file is missing, which is logged
	}
	if s.announce {
		line(s.log, fmt.Sprintf("Sending reload signal to PID %d", os.Getpid()))
	}
	line(s.log, "Reloading")
	if err := s.running.Reload(c.Text); err != nil {
		s.failed()
		s.log.Error("Corefile refused, the one in use stays", "err", err)
		return
	}
	line(s.log, "Reloading complete")
	s.use(c, c.Text)
}

// start runs the first Candidate. If it is refused, start tries the one without the ConfigMap, then
// a Corefile that answers SERVFAIL.
func (s *server) start(c sources.Candidate) error {
	var refused []error
	texts := []string{c.Text}
	if c.Bare != c.Text {
		texts = append(texts, c.Bare)
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		running, err := coredns.Start(s.opts, text)
		if err == nil {
			s.running = running
			s.logRefused(refused, nil)
			s.use(c, text)
			close(s.started)
			return nil
		}
		s.failed()
		refused = append(refused, err)
	}
	reason := "there is no Corefile"
	if len(refused) > 0 {
		reason = refused[len(refused)-1].Error()
	}
	text := s.emergency(reason)
	running, err := coredns.Start(s.opts, text)
	s.logRefused(refused, err)
	if err != nil {
		return err
	}
	s.log.Warn("answering every query with SERVFAIL until there is a Corefile that can be used")
	s.running, s.text = running, text
	close(s.started)
	return nil
}

// isTaken reports whether err is about an address in use. CoreDNS keeps only its text.
func isTaken(err error) bool { return strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) }

// logRefused logs why Corefiles were refused. An address that cannot be opened refuses every
// Corefile: then only last, which stops the process, is logged.
func (s *server) logRefused(refused []error, last error) {
	for _, err := range refused {
		if last == nil || isTaken(err) != isTaken(last) {
			s.log.Error("Corefile refused at the start", "err", err)
		}
	}
}

// use records the running Corefile and writes it to its file.
func (s *server) use(c sources.Candidate, text string) {
	s.text = text
	s.usable.Store(!strings.Contains(text, corefile.NoClusterUpstream))
	if !c.Made {
		return
	}
	if err := write(s.opts.Path, text); err != nil {
		s.log.Error("cannot write the Corefile, it runs nevertheless", "flag", "-conf", "err", err)
		return
	}
	stubs := c.Stubs
	if text != c.Text {
		stubs = 0
	}
	line(s.log, fmt.Sprintf("Updated Corefile with %d custom stubdomains and upstream servers %s", stubs, c.Servers))
	line(s.log, "Using config file:\n"+text)
}

// write replaces the file atomically, so that a full disk does not truncate it. A file that is a
// mount cannot be replaced, and is written in place.
func write(path, text string) error {
	if final, err := filepath.EvalSymlinks(path); err == nil {
		path = final
	}
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		return os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // others read it
	}
	return err
}

// clusterZone returns the cluster zone of the running Corefile, or "".
func (s *server) clusterZone(upstream []netip.Addr) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return corefile.ClusterZone(s.text, corefile.Facts{ClusterUpstream: upstream})
}

// drain runs the shutdown callbacks of plugins. No Corefile is applied from now on.
func (s *server) drain() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.running == nil {
		return nil
	}
	return s.running.Drain()
}

// stop closes the sockets and waits for pending queries until ctx is done.
func (s *server) stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	return s.running.Stop(ctx)
}
