// Package httpd serves the HTTP ports of the three commands: status, metrics and
// profiles. It never uses http.DefaultServeMux.
package httpd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of the server. Requests of probes and scrapers are small; a /cache document or a
// profile takes longer.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = time.Minute // pprof handlers extend it
	idleTimeout       = 3 * time.Minute
	maxHeaderBytes    = 16 << 10
	stopTimeout       = 2 * time.Second
)

// Listen opens a TCP port for [Serve]. addr is "host:port". An empty host means all
// addresses, port 0 means a free port.
func Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open HTTP port: %w", err)
	}
	return ln, nil
}

// Serve serves HTTP on ln until ctx is done, and closes ln. Running requests then have
// 2 seconds to finish. Serve returns nil if it stopped because of ctx. A panic of handler
// ends only its request and is logged.
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
	stopped := make(chan struct{}) // closed when ctx is done and no request runs
	cancel := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // its error is about the listener, which is closed already
		}
	})
	if err := server.Serve(ln); cancel() {
		return fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
	}
	<-stopped
	return nil
}
