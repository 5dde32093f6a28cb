package cli

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// CheckHost returns an error for a host that looks like an IP address and is none. It would
// be looked up as a name.
func CheckHost(host string) error {
	inner := host
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		inner = host[1 : n-1]
	}
	ipv4 := inner != "" && strings.Trim(inner, "0123456789.") == ""
	if !ipv4 && !strings.ContainsAny(inner, ":[]") {
		return nil
	}
	if _, err := netip.ParseAddr(inner); err != nil {
		return errors.New("want an IP address without a port, such as 127.0.0.1 or ::1, or the name of a host")
	}
	return nil
}

// ErrNegative is the error for a flag's duration below 0.
var ErrNegative = errors.New("want a duration of 0 or more, such as 28s")

// A notNegative is a flag's duration of 0 or more.
type notNegative struct{ pflag.Value }

func (v notNegative) Set(text string) error {
	if d, err := time.ParseDuration(text); err == nil && d < 0 {
		return ErrNegative
	}
	return v.Value.Set(text)
}

// refuseNegative makes all durations of fs refuse negative values. restore ends that, since
// pflag prints the default of its own types only.
func refuseNegative(fs *pflag.FlagSet) (restore func()) {
	values := map[*pflag.Flag]pflag.Value{}
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "duration" {
			values[f], f.Value = f.Value, notNegative{f.Value}
		}
	})
	return func() {
		for f, value := range values {
			f.Value = value
		}
	}
}
