package agent

import (
	"context"
	"errors"
)

// healthy reports that CoreDNS answers, with or without upstreams.
func (a *agent) healthy(context.Context) (string, error) {
	if !a.watch.alive.Load() {
		return "", errors.New("our own queries are not answered")
	}
	return "ok", nil
}

// ready reports that queries of pods arrive here and are answered.
func (a *agent) ready(context.Context) (string, error) {
	if !a.watch.serving.Load() {
		return "", errors.New("the rules are not in place, or our own queries are not answered")
	}
	return "ok", nil
}
