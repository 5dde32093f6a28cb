package config

import (
	"errors"
	"io/fs"
	"log/slog"
)

// A Current decides which configuration is in use: the newest valid one, else the last good one of
// an earlier run, else the default. Only one goroutine may use it.
type Current struct {
	// Zone is the cluster domain, for warnings.
	Zone string
	// LastGood stores valid configurations; nil stores none. Its Run must be called, too.
	LastGood *LastGood
	// Use puts a configuration into use. Required.
	Use func(InUse)
	// Refused receives an update that was not used, after Use if there was another one to use. key
	// is the invalid key of the ConfigMap, or "read". Required.
	Refused func(key string, err error)
	// Log receives mistakes in configurations. Required.
	Log *slog.Logger

	cfg     Config
	used    bool // cfg is in use
	updated bool // there was an update
	refused bool // the newest update is not in use
}

// UseDefault puts the default configuration into use.
func (c *Current) UseDefault() { c.use(InUse{Origin: FromDefault}) }

// Apply puts the configuration of u into use if it is valid. It is a function for Source.Run.
func (c *Current) Apply(u Update) {
	first := !c.updated
	c.updated = true
	if u.Err != nil {
		c.refuse(u.Err, first)
		return
	}
	if c.refused && Equal(u.Config, c.cfg) {
		c.Log.Info("the configuration is valid again, and the same as the one in use", "version", u.Version)
	}
	c.refused = false
	for _, warning := range warnings(u.Config, c.Zone) {
		c.Log.Warn("found a likely mistake in the configuration", "warning", warning)
	}
	if c.LastGood != nil {
		c.LastGood.keep(u.Config)
	}
	c.use(InUse{Config: u.Config, Version: u.Version, Origin: FromSource})
}

func (c *Current) use(in InUse) {
	c.cfg, c.used = in.Config, true
	c.Use(in)
}

// refuse reports err. The configuration in use remains, unless a start needs one.
func (c *Current) refuse(err error, first bool) {
	c.refused = true
	key := "read"
	if invalid, ok := errors.AsType[*KeyError](err); ok {
		key = invalid.Key
		c.Log.Error("configuration refused, the one in use stays", "key", key, "err", err)
	} else {
		c.Log.Error("cannot read the configuration, the one in use stays", "err", err)
	}
	// A missing directory means no configuration.
	if first && !errors.Is(err, fs.ErrNotExist) {
		c.useLastGood()
	}
	if !c.used {
		c.Log.Warn("no valid configuration, starting with the defaults")
		c.UseDefault()
	}
	c.Refused(key, err)
}

// useLastGood uses the configuration of an earlier run: a mistake and a restart must not drop every
// setting.
func (c *Current) useLastGood() {
	if c.LastGood == nil {
		return
	}
	in, err := c.LastGood.load()
	switch {
	case err == nil:
		c.Log.Warn("using the last good configuration of an earlier run", "file", c.LastGood.path)
		c.use(in)
	case !errors.Is(err, fs.ErrNotExist):
		c.Log.Error("cannot use the last good configuration", "err", err)
	}
}
