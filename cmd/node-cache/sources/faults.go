package sources

import "sync"

// Faults are the last errors of each kind, to log a persistent error once. The zero value has none.
type Faults struct {
	mu   sync.Mutex
	last map[string]string
}

// News reports whether err differs from the last error of this kind. It is false for nil.
func (f *Faults) News(kind string, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.last, kind)
		return false
	}
	if f.last[kind] == err.Error() {
		return false
	}
	if f.last == nil {
		f.last = make(map[string]string)
	}
	f.last[kind] = err.Error()
	return true
}
