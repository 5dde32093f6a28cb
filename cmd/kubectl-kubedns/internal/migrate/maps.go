package migrate

import (
	"maps"
)

// without returns a copy of m without a key.
func without(m map[string]string, key string) map[string]string {
	m = maps.Clone(m)
	delete(m, key)
	return m
}
