package dnsmasq

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/config"
)

// resolvPeriod is how often resolv.conf is looked at.
const resolvPeriod = time.Second

// A resolvConf reads the nameservers of resolv.conf in dnsmasq's place: of the
// file that changed last when there are several. An empty or unreadable file
// does not change the list.
type resolvConf struct {
	paths []string
	last  string // what the files looked like
	list  []config.Nameserver
}

// read returns the nameservers, and whether they changed since it was called
// last. The error is the reason why they did not.
func (r *resolvConf) read() (list []config.Nameserver, changed bool, err error) {
	path, look := newest(r.paths)
	if look == r.last {
		return r.list, false, nil
	}
	r.last = look
	if path == "" {
		return r.list, false, fmt.Errorf("none of %q can be read", r.paths)
	}
	found, err := config.ReadResolvConf(path)
	if err != nil {
		return r.list, false, err
	}
	if len(found) == 0 {
		return r.list, false, fmt.Errorf("%s names no nameservers", path)
	}
	changed = !slices.Equal(found, r.list)
	r.list = found
	return r.list, changed, nil
}

// newest returns the path that changed last, or none, and a text that differs
// when any of the files did.
func newest(paths []string) (path, look string) {
	var latest time.Time
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			look += "-;"
			continue
		}
		look += fmt.Sprintf("%d %d %d;", inode(info), info.ModTime().UnixNano(), info.Size())
		if path == "" || info.ModTime().After(latest) {
			path, latest = p, info.ModTime()
		}
	}
	return path, look
}

// inode returns the number of a file. Another file of the same size and time is
// another list.
func inode(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// follow passes on each new list until ctx is done. What keeps it from having
// one is logged, once for each state of the files.
func (r *resolvConf) follow(ctx context.Context, lists chan<- []config.Nameserver, log *slog.Logger) error {
	for pause.For(ctx, resolvPeriod) {
		list, changed, err := r.read()
		if err != nil {
			log.Warn("no new nameservers, keeping those we have", "err", err)
		}
		if changed {
			send(ctx, lists, list)
		}
	}
	return nil
}
