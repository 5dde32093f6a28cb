package querylog

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// params reads the parameters of a request. It keeps the first error.
type params struct {
	url.Values
	err error
}

// newParams allows parameters. An unknown parameter is an error, so that a typo in a filter does
// not show everything.
func newParams(r *http.Request, allowed ...string) *params {
	p := &params{Values: r.URL.Query()}
	for key := range p.Values {
		if !slices.Contains(allowed, key) {
			p.err = fmt.Errorf("the parameter %s is not known: use %s", key, strings.Join(allowed, ", "))
		}
	}
	return p
}

// refused replies with the error, and reports whether there is one.
func (p *params) refused(w http.ResponseWriter) bool {
	if p.err != nil {
		http.Error(w, p.err.Error(), http.StatusBadRequest)
	}
	return p.err != nil
}

// wrong records an invalid value.
func (p *params) wrong(key, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s=%s: want %s", key, p.Get(key), want)
	}
}

func (p *params) number(key string, missing, low, high int) int {
	if p.Get(key) == "" {
		return missing
	}
	n, err := strconv.Atoi(p.Get(key))
	if err != nil || n < low || n > high {
		p.wrong(key, fmt.Sprintf("a number from %d to %d", low, high))
	}
	return n
}

func (p *params) duration(key string, missing, low, high time.Duration) time.Duration {
	if p.Get(key) == "" {
		return missing
	}
	d, err := time.ParseDuration(p.Get(key))
	if err != nil || d < low || d > high {
		p.wrong(key, fmt.Sprintf("a duration from %v to %v, such as 5m", low, high))
	}
	return d
}

func (p *params) sample(missing float64) float64 {
	if p.Get("sample") == "" {
		return missing
	}
	share, err := ParseSample(p.Get("sample"))
	if err != nil {
		p.wrong("sample", wantSample)
	}
	return share
}

// minSample is the smallest share.
const minSample = 1e-6

var wantSample = fmt.Sprintf("a number from %v to 1, such as 0.01", minSample)

// ParseSample reads a share.
func ParseSample(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= minSample && v <= 1) {
		return 0, errors.New("want " + wantSample)
	}
	return v, nil
}
