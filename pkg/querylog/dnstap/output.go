// Package dnstap sends the entries of a query log to a dnstap collector, or to a file.
package dnstap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	dnstap "github.com/dnstap/golang-dnstap"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/querylog"
)

const (
	// maxQueued limits the frames that wait for the collector.
	maxQueued = 4096
	// retryEvery is the time between two attempts to open the target.
	retryEvery = 5 * time.Second
	// ioTimeout limits a collector's handshake, and its read of a frame.
	ioTimeout = 2 * time.Second
	// maxFile is the size at which a file is renamed to FILE.1, which is replaced.
	maxFile = 64 << 20
)

// A Target is the destination of frames: "unix:" or "file:" and an absolute path.
type Target string

// ParseTarget parses a Target. "" means no target.
func ParseTarget(text string) (Target, error) {
	kind, path, _ := strings.Cut(text, ":")
	if text != "" && (kind != "unix" && kind != "file" || !filepath.IsAbs(path)) {
		return "", errors.New("want unix:/PATH for a socket or file:/PATH for a file")
	}
	return Target(text), nil
}

// A Counter counts dropped entries.
type Counter interface{ Inc() }

// Options of an Output. All are required.
type Options struct {
	Target Target
	// Identity and Version identify this server.
	Identity, Version string
	Dropped           Counter
	Logger            *slog.Logger
}

// An Output is a sink. Its queue is bounded: while the target is down or too slow, entries are
// dropped and counted.
type Output struct {
	Options
	queue      chan []byte
	retryEvery time.Duration
	maxFile    int
}

// New returns an Output. Run sends its entries.
func New(opts Options) *Output {
	return &Output{Options: opts, queue: make(chan []byte, maxQueued), retryEvery: retryEvery, maxFile: maxFile}
}

// Put queues an entry. Only one goroutine may call it, so there is room after the check.
func (o *Output) Put(e *querylog.Entry) {
	if len(o.queue) < maxQueued {
		if frame, err := encode(e, o.Identity, o.Version); err == nil {
			o.queue <- frame
			return
		}
	}
	o.Dropped.Inc()
}

// Run sends frames until ctx is done, and then the queued frames. It reopens the target after an
// error, or when a file is full.
func (o *Output) Run(ctx context.Context) error {
	failing := false
	for ctx.Err() == nil {
		err := o.sendTo(ctx, func() {
			if failing {
				o.Logger.Info("sending queries to dnstap again", "target", string(o.Target))
			}
			failing = false
		})
		if err == nil || ctx.Err() != nil {
			continue
		}
		if !failing {
			o.Logger.Warn("cannot send queries to dnstap, trying again", "target", string(o.Target), "err", err)
		}
		failing = true
		pause.For(ctx, o.retryEvery)
	}
	return nil
}

// sendTo opens the target, calls opened, and sends frames until ctx is done or a file is full.
func (o *Output) sendTo(ctx context.Context, opened func()) error {
	kind, path, _ := strings.Cut(string(o.Target), ":")
	open, opts, limit := openFile, (*dnstap.WriterOptions)(nil), o.maxFile
	if kind == "unix" {
		open, opts, limit = dial, &dnstap.WriterOptions{Bidirectional: true, Timeout: ioTimeout}, math.MaxInt
	}
	target, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer target.Close()
	w, err := dnstap.NewWriter(target, opts)
	if err != nil {
		return fmt.Errorf("start the stream: %w", err)
	}
	opened()
	return errors.Join(o.send(ctx, w, limit), w.Close())
}

func dial(ctx context.Context, path string) (io.WriteCloser, error) {
	return (&net.Dialer{Timeout: ioTimeout}).DialContext(ctx, "unix", path)
}

// openFile starts a new file, and keeps the previous one.
func openFile(_ context.Context, path string) (io.WriteCloser, error) {
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// send sends up to limit bytes, until ctx is done. The log adds many entries at a time, so send
// flushes when the queue is empty.
func (o *Output) send(ctx context.Context, w dnstap.Writer, limit int) error {
	for size := 0; size < limit; {
		if flusher, ok := w.(interface{ Flush() error }); ok && len(o.queue) == 0 {
			if err := flusher.Flush(); err != nil {
				return err
			}
		}
		var frame []byte
		select {
		case frame = <-o.queue:
		case <-ctx.Done():
			if len(o.queue) == 0 {
				return nil
			}
			frame = <-o.queue
		}
		if _, err := w.WriteFrame(frame); err != nil {
			o.Dropped.Inc()
			return err
		}
		size += len(frame)
	}
	return nil
}
