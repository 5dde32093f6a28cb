package dnsmasq

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// defaultNamePeriod is how often names are looked up by default.
const defaultNamePeriod = 10 * time.Second

// Options configure a Nanny.
type Options struct {
	// Exec is the path of dnsmasq. Required.
	Exec string
	// Args are dnsmasq's arguments. The nanny adds its own.
	Args []string
	// Config delivers the configuration. Required.
	Config config.Source
	// Restart allows the nanny to change the servers of a running dnsmasq, by a reload or a
	// restart. Otherwise changes are only noted.
	Restart bool
	// KubeDNS ("ip:port") resolves stub servers with names in the cluster's domain. Required.
	KubeDNS string
	// NamePeriod is the time between two look-ups of names. Zero or less: 10 s.
	NamePeriod time.Duration
	// LoopPeriod is the mean time between two loop tests of a server. Zero or less: 30 s.
	LoopPeriod time.Duration
	// LogInterval is the time between two requests to dnsmasq to log its
	// statistics. Zero or less: never.
	LogInterval time.Duration
	// StateDir is the directory of the last good configuration, and of the servers file if
	// MemoryDir cannot hold it. Empty: a directory below the system's temporary directory.
	StateDir string
	// MemoryDir is a file system in memory. The servers file has a directory below it while the
	// nanny runs. Empty: /dev/shm.
	MemoryDir string
	// ReapOrphans makes the nanny the parent of all processes that its children orphan. It is only
	// for a process that starts no other children.
	ReapOrphans bool
	// Metrics count the nanny's actions. Nil: they are not exposed.
	Metrics *Metrics
	// Log receives the nanny's actions, and dnsmasq's lines at verbosity 1. Nil discards.
	Log *slog.Logger
}

// Validate returns the reason why New would refuse o.
func (o Options) Validate() error {
	switch {
	case o.Exec == "":
		return errors.New("the path of dnsmasq is empty")
	case o.Config == nil:
		return errors.New("there is no source of configurations")
	}
	if _, _, err := net.SplitHostPort(o.KubeDNS); err != nil {
		return fmt.Errorf("the address of kube-dns %q is not host:port, such as 127.0.0.1:10053: %w", o.KubeDNS, err)
	}
	return nil
}
