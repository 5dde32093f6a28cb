package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// firstReadTimeout bounds the first read of a ConfigMap: a server starts with defaults rather than
// late.
const firstReadTimeout = 3 * time.Second

// ConfigMapOptions configure a ConfigMap.
type ConfigMapOptions struct {
	// Client is required.
	Client *Client
	// Namespace and Name of the object. An empty namespace means kube-system.
	Namespace, Name string
	// TLS accepts servers over TLS, as config.ParseTLS does.
	TLS bool
	// Log receives the state of the watch in debug mode. Errors are passed to apply instead. Nil
	// discards.
	Log *slog.Logger
	// Metrics receives the counts. Nil discards them.
	Metrics *Metrics
}

// A ConfigMap reads the configuration from one ConfigMap of the API, and from no other. It
// implements config.Source. It needs permission to list and watch that object.
type ConfigMap struct {
	client  *Client
	key     kubedns.Key
	parse   func(map[string]string) (config.Config, error)
	log     *slog.Logger
	metrics *Metrics
}

// NewConfigMap returns a source. Run starts it.
func NewConfigMap(opts ConfigMapOptions) (*ConfigMap, error) {
	if opts.Client == nil {
		return nil, errors.New("config map: no client")
	}
	if opts.Name == "" {
		return nil, errors.New("config map: no name")
	}
	c := &ConfigMap{
		client:  opts.Client,
		key:     kubedns.Key{Namespace: cmp.Or(opts.Namespace, "kube-system"), Name: opts.Name},
		parse:   config.Parse,
		log:     opts.Log,
		metrics: opts.Metrics,
	}
	if opts.TLS {
		c.parse = config.ParseTLS
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.metrics == nil {
		c.metrics = NewMetrics(nil)
	}
	return c, nil
}

// Run implements config.Source. During a long outage of the API server, it reports an error every
// minute.
func (c *ConfigMap) Run(ctx context.Context, apply func(config.Update)) error {
	r := &configReader{ConfigMap: c, apply: apply}
	f := listwatch.Follower[configMap]{
		Resource: c.resource(), Sink: r, Observer: r, Log: c.log, Position: new(listwatch.Position),
	}
	short, cancel := context.WithTimeout(ctx, firstReadTimeout)
	all, version, err := f.Resource.List(short)
	cancel()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		r.report(err)
	default:
		f.Start(ctx, all, version)
	}
	// Listing one object is as easy as comparing it. This finds changes that the watch has silently
	// missed.
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for pause.For(ctx, auditTime/2+rand.N(auditTime/2)) {
			f.Position.Relist()
		}
	})
	return f.Run(ctx)
}

// A configMap is the part of a ConfigMap that we keep.
type configMap struct {
	key     kubedns.Key
	version string
	data    map[string]string
}

func (c *ConfigMap) resource() listwatch.Resource[configMap] {
	all := listwatch.Resource[configMap]{
		Name: roleConfigMaps, Kind: typeOf("v1", "ConfigMap"), API: c.client.api,
		Key:     func(m configMap) listwatch.Key { return listwatch.Key(m.key) },
		Version: func(m configMap) string { return m.version },
		Decode: listwatch.DecodeAs(func(m *corev1.ConfigMap) (configMap, bool) {
			return configMap{kubedns.Key{Namespace: m.Namespace, Name: m.Name}, m.ResourceVersion, m.Data}, true
		}),
	}
	return all.Where(listwatch.Selector{Namespace: c.key.Namespace, Fields: "metadata.name=" + c.key.Name})
}

// A configReader is the state of one ConfigMap.Run: the sink and observer of its follower.
type configReader struct {
	*ConfigMap
	apply func(config.Update)

	have     bool          // last is set
	last     config.Update // read last
	up       bool          // the watch is open
	bad      time.Time     // when reading first failed, or the failure was last reported
	reported bool          // the failure
}

// read applies the content of the object, unless it is in use. The zero value is an absent object:
// the defaults.
func (r *configReader) read(m configMap) {
	if len(m.data) == 0 {
		m.version = ""
	}
	if r.have && !r.reported && r.last.Version == m.version {
		return
	}
	r.have, r.reported = true, false
	r.last = config.Update{Version: m.version}
	if r.last.Config, r.last.Err = r.parse(m.data); r.last.Err != nil {
		r.last.Err = fmt.Errorf("config map %s: %w", r.key, r.last.Err)
	}
	r.apply(r.last)
}

// report applies a read failure.
func (r *configReader) report(err error) {
	r.bad, r.reported = time.Now(), true
	err = fmt.Errorf("read config map %s: %w", r.key, err)
	if hint := listwatch.AdviceFor(listwatch.ReasonOf(err), roleConfigMaps); hint != "" {
		err = fmt.Errorf("%w (%s)", err, hint)
	}
	r.apply(config.Update{Err: err})
}

func (r *configReader) Replace(_ context.Context, all []configMap) {
	for _, m := range all {
		if m.key == r.key {
			r.read(m)
			return
		}
	}
	r.read(configMap{})
}

func (r *configReader) Set(_ context.Context, m configMap, _ time.Time) {
	if m.key == r.key {
		r.read(m)
	}
}

func (r *configReader) Remove(_ context.Context, m configMap) {
	if m.key == r.key {
		r.read(configMap{})
	}
}

// Connected reports that reading works again: the last content is still valid.
func (r *configReader) Connected() {
	r.metrics.watches.WithLabelValues(roleConfigMaps).Inc()
	r.up = true
	if r.reported && r.have {
		r.reported = false
		r.apply(r.last)
	}
}

func (r *configReader) Listed(mode string) {
	r.metrics.lists.WithLabelValues(roleConfigMaps, mode).Inc()
}

func (r *configReader) Event() {}

func (r *configReader) Lost() {
	if r.up {
		r.up, r.bad = false, time.Now()
	}
}

// Failed reports a lasting failure. A server restart is not one.
func (r *configReader) Failed(err error) {
	r.metrics.errors.WithLabelValues(roleConfigMaps, string(listwatch.ReasonOf(err))).Inc()
	if time.Since(r.bad) >= logEvery {
		r.report(err)
	}
}
