package querylog

import "net/url"

// ParseFilter reads the parameters of a filter.
func ParseFilter(values url.Values) (Filter, error) {
	p := &params{Values: values}
	f := p.filter()
	return f, p.err
}

func (f *Filter) Takes(e *Entry) bool { return f.takes(e) }
