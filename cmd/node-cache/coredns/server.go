package coredns

import (
	"context"
	"errors"
	"fmt"

	"github.com/coredns/caddy"

	"github.com/kube-dns/kube-dns/cmd/node-cache/sockets"
)

// Options configure a Server.
type Options struct {
	Path  string // of the Corefile, for messages and relative imports
	Port  uint16 // of zones without one
	Quiet bool   // do not print the zones
}

// A Server is a running CoreDNS. Its sockets stay open from Start to Stop.
type Server struct {
	opts     Options
	engine   *engine
	instance *caddy.Instance
	sockets  *sockets.Set
	next     *sockets.Generation // of a Corefile that is being loaded, nil: none
}

// Start runs a Corefile. Its sockets are open when Start returns.
func Start(opts Options, text string) (*Server, error) {
	e, err := prepare()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, engine: e, sockets: sockets.New(e.sockets)}
	loaded, err := e.run(s, text, caddy.Start)
	if err != nil {
		return nil, fmt.Errorf("start the Corefile %s: %w", opts.Path, err)
	}
	for _, server := range loaded.servers {
		server.OnStartupComplete() // prints its zones
	}
	e.metrics.loaded(text)
	return s, nil
}

// Reload replaces the running Corefile on the same sockets. No connection is closed. If it fails,
// the old one still runs.
func (s *Server) Reload(text string) error {
	if _, err := s.engine.run(s, text, s.instance.Restart); err != nil {
		s.engine.metrics.reloadFailed.Inc()
		return fmt.Errorf("reload the Corefile %s: %w", s.opts.Path, err)
	}
	s.engine.metrics.loaded(text)
	return nil
}

// useNext sends queries to the Corefile that was loaded last.
func (s *Server) useNext() {
	if s.next != nil {
		s.next.Use()
		s.next = nil
	}
}

// discardNext closes the sockets of a Corefile that is not used.
func (s *Server) discardNext() {
	if s.next != nil {
		s.next.Discard()
		s.next = nil
	}
}

// Drain runs what plugins do before the end: health waits for the time of its lameduck,
// then the listeners of health and prometheus close. Queries are still answered.
func (s *Server) Drain() error { return errors.Join(s.instance.ShutdownCallbacks()...) }

// Stop closes all sockets and lets queries finish until ctx is done. Drain must come before
// it. CoreDNS itself waits for 5 s, which queries need whose upstream is dead.
func (s *Server) Stop(ctx context.Context) error {
	return within(ctx, func() error {
		s.sockets.Close(ctx)
		return s.instance.Stop()
	})
}

// within returns when stop has returned or ctx is done.
func within(ctx context.Context, stop func() error) error {
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		return nil
	}
}
