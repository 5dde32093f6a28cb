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
	Port  uint16 // default of zones
	Quiet bool   // do not print the zones
}

// A Server is a running CoreDNS. Its sockets stay open from Start to Stop.
type Server struct {
	opts     Options
	engine   *engine
	instance *caddy.Instance
	sockets  *sockets.Set
	next     *sockets.Generation // of a Corefile being loaded, or nil
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

// useNext sends queries to the last loaded Corefile.
func (s *Server) useNext() {
	if s.next != nil {
		s.next.Use()
		s.next = nil
	}
}

// discardNext closes the sockets of an unused Corefile.
func (s *Server) discardNext() {
	if s.next != nil {
		s.next.Discard()
		s.next = nil
	}
}

// Drain runs the shutdown callbacks of plugins: health waits for its lameduck time, then the
// listeners of health and prometheus close. Queries are still answered.
func (s *Server) Drain() error { return errors.Join(s.instance.ShutdownCallbacks()...) }

// Stop closes all sockets and waits for pending queries until ctx is done. Call Drain first.
// CoreDNS itself waits for 5 s, as long as queries to a dead upstream take.
func (s *Server) Stop(ctx context.Context) error {
	return within(ctx, func() error {
		s.sockets.Close(ctx)
		return s.instance.Stop()
	})
}

// within returns when stop returns or ctx is done.
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
