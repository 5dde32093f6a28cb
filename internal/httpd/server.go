// Package httpd serves the HTTP ports of the three commands: status, metrics and
// profiling, each with a handler of its own. Nothing is ever served from
// http.DefaultServeMux.
package httpd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of the server. Probes and scrapers are quick and small; a /cache document
// or a profile may take its time.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = time.Minute // pprof handlers extend it for longer profiles
	idleTimeout       = 3 * time.Minute
	maxHeaderBytes    = 16 << 10
	stopTimeout       = 2 * time.Second
)

// Listen opens a TCP port for [Serve]. addr is "host:port"; an empty host means
// all addresses, port 0 a free one.
func Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open HTTP port: %w", err)
	}
	return ln, nil
}

// Serve answers HTTP requests on ln until ctx is done; it takes over ln and closes
// it. Requests that are running then have 2 seconds to finish before their
// connections are closed. Serve returns nil when it stopped because of ctx. A
// panic in the handler ends only its request and is written to log.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1) // from the goroutine below, once
	var serving sync.WaitGroup
	serving.Go(func() { failed <- server.Serve(ln) })
	defer serving.Wait()

	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
		stop(ctx, server)
		return nil
	}
}

// stop ends the server: gracefully if it can, else by closing its connections.
func stop(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // the listener is closed already; connections are cut
	}
}
