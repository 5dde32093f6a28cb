package sources

import "log/slog"

// changes remembers what was logged, so that a reading each second logs a fault once.
type changes struct {
	log  *slog.Logger
	last map[string]string
}

// changed reports whether err is another one than the last of this kind.
func (c *changes) changed(kind string, err error) bool {
	if c.last[kind] == err.Error() {
		return false
	}
	c.last[kind] = err.Error()
	return true
}

// good drops the last error of this kind.
func (c *changes) good(kind string) { delete(c.last, kind) }
