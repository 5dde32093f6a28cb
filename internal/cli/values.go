package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// A parsedFlag is a flag whose text is parsed into a value when it is set.
type parsedFlag[T any] struct {
	to    *T
	text  string
	kind  string
	parse func(string) (T, error)
}

// Parsed returns the value of a flag of pflag or of the standard flag package. to has its default.
// kind is the type in pflag's help, such as "string".
func Parsed[T any](to *T, kind string, parse func(string) (T, error)) pflag.Value {
	return &parsedFlag[T]{to: to, kind: kind, parse: parse, text: textOf(*to)}
}

// textOf returns a default in the form of a flag.
func textOf(v any) string {
	switch v.(type) {
	case netip.AddrPort, map[string]string:
		return "" // none, as for all these flags
	}
	return fmt.Sprint(v)
}

func (p *parsedFlag[T]) Set(text string) error {
	v, err := p.parse(text)
	if err == nil {
		*p.to, p.text = v, text
	}
	return err
}

func (p *parsedFlag[T]) String() string {
	if p.to == nil { // the zero value, which package flag compares with the default
		return textOf(*new(T))
	}
	return p.text
}

func (p *parsedFlag[T]) Type() string { return p.kind }

// ErrNegative is the error for a flag's duration below 0.
var ErrNegative = errors.New("want a duration of 0 or more, such as 28s")

// Duration returns the value of a flag that is a time of 0 or more.
func Duration(to *time.Duration) pflag.Value {
	return Parsed(to, "duration", func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err == nil && d < 0 {
			err = ErrNegative
		}
		return d, err
	})
}

// ParsePort parses a port. 0 means none, or any free one.
func ParsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 0, 16)
	if err != nil {
		return 0, errors.New("a port is a number from 0 to 65535")
	}
	return int(port), nil
}

// CheckHost returns an error for a host that looks like an IP address but is not valid. Otherwise
// it would be looked up as a name.
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

// ParseHost parses the address or the name of a host, or "". An IPv6 address can be in brackets.
func ParseHost(text string) (string, error) { return strings.Trim(text, "[]"), CheckHost(text) }
