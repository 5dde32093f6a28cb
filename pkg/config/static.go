package config

import "context"

// Static is a Source of a configuration that never changes, such as that of flags.
type Static Config

var _ Source = Static{}

// Run implements Source: it applies s once and waits for ctx.
func (s Static) Run(ctx context.Context, apply func(Update)) error {
	cfg := Config(s)
	apply(Update{Config: cfg, Version: Version(Format(cfg))})
	<-ctx.Done()
	return nil
}
