package dns

import "sync/atomic"

// Counts are the numbers of what is published.
type Counts struct {
	// Services are those with records: not a headless Service without endpoints.
	Services int
	// Endpoints are the distinct addresses of each headless Service.
	Endpoints int
	// Names are those with records, except reverse names: of Services, of their
	// addresses and of their ports.
	Names int
}

// counts are written by the source's goroutine.
type counts struct{ services, endpoints, names atomic.Int64 }

// A size is what one Service adds to the counts. It is zero for a Service without
// records, which has no name.
type size struct{ endpoints, names uint32 }

// change replaces what a Service adds to the counts, and returns is.
func (c *counts) change(was, is size) size {
	exists := func(s size) int64 { return int64(min(s.names, 1)) }
	c.services.Add(exists(is) - exists(was))
	c.endpoints.Add(int64(is.endpoints) - int64(was.endpoints))
	c.names.Add(int64(is.names) - int64(was.names))
	return is
}
