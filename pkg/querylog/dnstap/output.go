// Package dnstap sends the entries of a query log to a dnstap collector, or to a file.
package dnstap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	// maxQueued is how many frames wait for the collector.
	maxQueued = 4096
	// retryEvery is the time between two attempts to open the target.
	retryEvery = 5 * time.Second
	// ioTimeout is how long a collector may take for a handshake or to read a frame.
	ioTimeout = 2 * time.Second
	// maxFile is the size at which a file becomes FILE.1, which is replaced.
	maxFile = 64 << 20
)

// A Target is where frames go: "unix:" or "file:" and an absolute path.
type Target string

// ParseTarget accepts a Target, or none.
func ParseTarget(text string) (Target, error) {
	kind, path, _ := strings.Cut(text, ":")
	if text != "" && (kind != "unix" && kind != "file" || !filepath.IsAbs(path)) {
		return "", errors.New("want unix:/PATH for a socket or file:/PATH for a file")
	}
	return Target(text), nil
}

// A Counter counts what is dropped.
type Counter interface{ Inc() }

// Options of an Output. All are required.
type Options struct {
	Target Target
	// Identity and Version are those of this server.
	Identity, Version string
	Dropped           Counter
	Logger            *slog.Logger
}

// An Output is a sink. Its queue is bounded: while the target is away, or too slow, entries
// are dropped and counted.
type Output struct {
	Options
	queue      chan []byte
	retryEvery time.Duration
	maxFile    int
}

// New returns an Output. Run sends what it gets.
func New(opts Options) *Output {
	return &Output{Options: opts, queue: make(chan []byte, maxQueued), retryEvery: retryEvery, maxFile: maxFile}
}

// Put queues an entry.
func (o *Output) Put(e *querylog.Entry) {
	if len(o.queue) == maxQueued {
		o.Dropped.Inc()
		return
	}
	frame, err := encode(e, o.Identity, o.Version)
	if err != nil {
		o.Dropped.Inc()
		return
	}
	select {
	case o.queue <- frame:
	default:
		o.Dropped.Inc()
	}
}

// Run sends frames until ctx is done, and then those that are queued. It opens the target
// again after an error.
func (o *Output) Run(ctx context.Context) error {
	failing := false
	for ctx.Err() == nil {
		w, err := o.open(ctx)
		if err == nil {
			if failing {
				o.Logger.Info("sending queries to dnstap again", "target", string(o.Target))
			}
			failing = false
			err = o.send(ctx, w)
			err = errors.Join(err, w.Close())
		}
		if ctx.Err() != nil || errors.Is(err, errFull) {
			continue // a full file is followed by a new one
		}
		if !failing {
			o.Logger.Warn("cannot send queries to dnstap, trying again", "target", string(o.Target), "err", err)
		}
		failing = true
		pause.For(ctx, o.retryEvery)
	}
	return nil
}

// open opens the target.
func (o *Output) open(ctx context.Context) (*frames, error) {
	kind, path, _ := strings.Cut(string(o.Target), ":")
	if kind == "file" {
		return openFile(path, o.maxFile)
	}
	dialer := net.Dialer{Timeout: ioTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	w, err := dnstap.NewWriter(conn, &dnstap.WriterOptions{Bidirectional: true, Timeout: ioTimeout})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return &frames{Writer: w, under: conn}, nil
}

// openFile begins a new file, and keeps the one before it.
func openFile(path string, limit int) (*frames, error) {
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w, err := dnstap.NewWriter(file, nil)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &frames{Writer: w, under: file, limit: limit}, nil
}

// frames writes frames to what is under it.
type frames struct {
	dnstap.Writer
	under io.Closer
	limit int // of bytes; 0: none
	bytes int
}

// errFull means that a file has its size.
var errFull = errors.New("the file is full")

func (f *frames) isFull() bool { return f.limit > 0 && f.bytes >= f.limit }

func (f *frames) write(frame []byte) error {
	f.bytes += len(frame)
	_, err := f.WriteFrame(frame)
	return err
}

func (f *frames) flush() error {
	if flusher, ok := f.Writer.(interface{ Flush() error }); ok {
		return flusher.Flush()
	}
	return nil
}

// Close ends the stream of frames, and closes what is under it.
func (f *frames) Close() error { return errors.Join(f.Writer.Close(), f.under.Close()) }

// send sends frames until ctx is done or an error. The log puts many entries at a time, so
// an empty queue is the time to flush.
func (o *Output) send(ctx context.Context, w *frames) error {
	for !w.isFull() {
		if len(o.queue) == 0 {
			if err := w.flush(); err != nil {
				return err
			}
		}
		select {
		case frame := <-o.queue:
			if err := w.write(frame); err != nil {
				o.Dropped.Inc()
				return err
			}
		case <-ctx.Done():
			for range len(o.queue) {
				if err := w.write(<-o.queue); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return errFull
}
