package dns

import "sync/atomic"

// Counts are the numbers of published objects and names.
type Counts struct {
	// Services counts Services with records. A headless Service without endpoints has none.
	Services int
	// Endpoints counts the distinct addresses of each headless Service.
	Endpoints int
	// Names counts names with records, except reverse names: those of Services, their addresses and
	// their ports.
	Names int
}

// counts are written by the source's goroutine.
type counts struct{ services, endpoints, names atomic.Int64 }

// A size is the share of one Service in the counts. It is zero for a Service without records.
type size struct{ endpoints, names uint32 }

// change replaces a Service's share in the counts, and returns is.
func (c *counts) change(was, is size) size {
	exists := func(s size) int64 { return int64(min(s.names, 1)) }
	c.services.Add(exists(is) - exists(was))
	c.endpoints.Add(int64(is.endpoints) - int64(was.endpoints))
	c.names.Add(int64(is.names) - int64(was.names))
	return is
}
