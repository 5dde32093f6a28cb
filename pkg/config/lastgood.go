package config

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"

	"github.com/kube-dns/kube-dns/internal/atomicfile"
)

// A LastGood stores the newest valid configuration in a file, for a start without a valid one. The
// file is a JSON object with the keys of the ConfigMap.
type LastGood struct {
	path string
	next chan Config // holds the newest configuration that is not written yet
	log  *slog.Logger
	// TLS accepts servers over TLS, as ParseTLS does.
	TLS bool
}

// NewLastGood returns a LastGood that uses the file at path.
func NewLastGood(path string, log *slog.Logger) *LastGood {
	return &LastGood{path: path, next: make(chan Config, 1), log: log}
}

// keep passes cfg to Run, and does not wait for the disk. It must not be called concurrently.
func (l *LastGood) keep(cfg Config) {
	select {
	case <-l.next:
	default:
	}
	l.next <- cfg
}

// Run writes the configurations from keep until ctx is done, and then the rest. It writes only if
// the configuration differs from the file, logs errors, and returns nil.
func (l *LastGood) Run(ctx context.Context) error {
	written, _ := l.read()
	for {
		var cfg Config
		select {
		case cfg = <-l.next:
		case <-ctx.Done():
			select {
			case cfg = <-l.next:
			default:
				return nil
			}
		}
		files := Format(cfg)
		if written != nil && maps.Equal(files, written) {
			continue
		}
		if err := l.write(files); err != nil {
			l.log.Warn("cannot save the last good configuration", "err", err)
			continue
		}
		written = files
	}
}

// load returns the configuration in the file.
func (l *LastGood) load() (InUse, error) {
	files, err := l.read()
	if err != nil {
		return InUse{}, err
	}
	cfg, err := parse(files, l.TLS)
	if err != nil {
		return InUse{}, fmt.Errorf("file %s: %w", l.path, err)
	}
	return InUse{Config: cfg, Version: Version(files), Origin: FromLastGood}, nil
}

func (l *LastGood) read() (map[string]string, error) {
	text, err := os.ReadFile(l.path)
	if err != nil {
		return nil, err
	}
	var files map[string]string
	if err := json.Unmarshal(text, &files); err != nil {
		return nil, fmt.Errorf("file %s: %w", l.path, err)
	}
	return files, nil
}

func (l *LastGood) write(files map[string]string) error {
	return atomicfile.Write(l.path, 0o644, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(files)
	})
}
