package dnsmasq

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/config"
)

// resolvPeriod is how often resolv.conf is read.
const resolvPeriod = time.Second

// A resolvConf holds the paths of resolv.conf files, which are read in dnsmasq's place: the last
// one changed, if there are several.
type resolvConf []string

// read returns the nameservers: at least one, or an error.
func (r resolvConf) read() ([]config.Nameserver, error) {
	path := newest(r)
	if path == "" {
		return nil, fmt.Errorf("none of %q can be read", []string(r))
	}
	list, err := config.ReadResolvConf(path)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s names no nameservers", path)
	}
	return list, err
}

// newest returns the path of the file changed last, or "".
func newest(paths []string) (path string) {
	var latest time.Time
	for _, p := range paths {
		info, err := os.Stat(p)
		if err == nil && (path == "" || info.ModTime().After(latest)) {
			path, latest = p, info.ModTime()
		}
	}
	return path
}

// follow passes on each new list until ctx is done. An error does not change the list, and is
// logged once.
func (r resolvConf) follow(ctx context.Context, lists chan<- []config.Nameserver, log *slog.Logger) error {
	var last []config.Nameserver
	problem := ""
	for pause.For(ctx, resolvPeriod) {
		list, err := r.read()
		if err != nil {
			if err.Error() != problem {
				log.Warn("cannot read new nameservers, keeping the present ones", "err", err)
			}
			problem = err.Error()
			continue
		}
		problem = ""
		if !slices.Equal(list, last) {
			last = list
			send(ctx, lists, list)
		}
	}
	return nil
}
