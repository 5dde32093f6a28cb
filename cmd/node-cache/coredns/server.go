package coredns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/cmd/node-cache/plugins"
)

// Options configure a Server.
type Options struct {
	Path  string // of the Corefile, for messages and relative imports
	Port  uint16 // of zones without one
	Quiet bool   // do not print the zones
}

// A Server is a running CoreDNS.
type Server struct {
	path     string
	instance *caddy.Instance
	metrics  *metrics
}

// prepare gives CoreDNS what it needs once in a process.
var prepare = sync.OnceValues(func() (*metrics, error) {
	caddy.AppName, caddy.AppVersion = "CoreDNS", libraryVersion()
	reg := prometheus.DefaultRegisterer //nolint:forbidigo // the metrics of CoreDNS are there
	plugins.Register(plugins.NewMetrics(reg))
	if err := dnsserver.SetDirectives(Directives()); err != nil {
		return nil, err
	}
	return newMetrics(reg), nil
})

// Start runs a Corefile. Its sockets are open when Start returns.
func Start(opts Options, text string) (*Server, error) {
	m, err := prepare()
	if err != nil {
		return nil, err
	}
	dnsserver.Port = strconv.Itoa(int(opts.Port))
	dnsserver.Quiet, caddy.Quiet = opts.Quiet, opts.Quiet
	s := &Server{path: opts.Path, metrics: m}
	instance, err := caddy.Start(s.input(text))
	if err != nil {
		return nil, fmt.Errorf("start the Corefile %s: %w", opts.Path, err)
	}
	s.instance = instance
	s.metrics.loaded(text)
	return s, nil
}

// Reload replaces the running Corefile on the same sockets. If it fails, the old one
// still runs.
func (s *Server) Reload(text string) error {
	instance, err := s.instance.Restart(s.input(text))
	if err != nil {
		s.metrics.reloadFailed.Inc()
		return fmt.Errorf("reload the Corefile %s: %w", s.path, err)
	}
	s.instance = instance
	s.metrics.loaded(text)
	return nil
}

// Drain runs what plugins do before the end: health waits for the time of its lameduck,
// then the listeners of health and prometheus close. Queries are still answered.
func (s *Server) Drain() error { return errors.Join(s.instance.ShutdownCallbacks()...) }

// Stop closes all sockets and lets queries finish until ctx is done. Drain must come before
// it. CoreDNS itself waits for 5 s, which queries need whose upstream is dead.
func (s *Server) Stop(ctx context.Context) error { return within(ctx, s.instance.Stop) }

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

func (s *Server) input(text string) caddy.Input {
	return caddy.CaddyfileInput{Contents: []byte(text), Filepath: s.path, ServerTypeName: "dns"}
}
