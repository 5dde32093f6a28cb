package dnsmasq

import (
	"context"
	"log/slog"
	"maps"
)

// A keeper writes the last good configuration to disk, in a goroutine of its
// own: a disk that is slow holds up no change and no start of dnsmasq.
type keeper struct {
	dir    *stateDir
	source string
	next   chan map[string]string // the newest, of capacity one
	log    *slog.Logger
}

func newKeeper(dir *stateDir, source string, log *slog.Logger) *keeper {
	return &keeper{dir: dir, source: source, next: make(chan map[string]string, 1), log: log}
}

// keep has files written. It does not wait. Only one goroutine may call it.
func (k *keeper) keep(files map[string]string) { replace(k.next, files) }

// run writes until ctx is done, and then what is still to be written. The same
// configuration is not written twice.
func (k *keeper) run(ctx context.Context) error {
	last, _ := k.dir.loadLastGood(k.source)
	for {
		var files map[string]string
		select {
		case files = <-k.next:
		case <-ctx.Done():
			select {
			case files = <-k.next:
			default:
				return nil
			}
		}
		if last != nil && maps.Equal(files, last) {
			continue
		}
		if err := k.dir.saveLastGood(k.source, files); err != nil {
			k.log.Warn("cannot keep the last good configuration", "err", err)
			continue
		}
		last = files
	}
}
