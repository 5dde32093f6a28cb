package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/spelling"
)

// explain turns an error of parsing flags into one that names the flag, the
// value, and what is accepted. names are the flags of the command, as they are
// written on the command line.
func explain(err error, names []string) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s=%s: %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(errors.Unwrap(invalid)))
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return fmt.Errorf("%w%s", err, suggestion("--"+unknown.GetSpecifiedName(), names))
	}
	if m := goInvalid.FindStringSubmatch(err.Error()); m != nil {
		value, unquoteErr := strconv.Unquote(m[1])
		if unquoteErr != nil {
			value = m[1]
		}
		if strings.HasPrefix(err.Error(), "invalid boolean") {
			return fmt.Errorf("-%s=%s: want true or false", m[2], value)
		}
		return fmt.Errorf("-%s=%s: %s", m[2], value, wanted(errors.New(m[3])))
	}
	if m := goUnknown.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%w%s", err, suggestion(m[1], names))
	}
	return err
}

// The errors of the standard flag package have no types.
var (
	goInvalid = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^:]+): (.*)$`)
	goUnknown = regexp.MustCompile(`^flag provided but not defined: (-.*)$`)
)

// wanted returns the reason why a value is refused, in the terms of a command
// line in place of those of Go's parsers.
func wanted(reason error) string {
	text := reason.Error()
	switch {
	case strings.Contains(text, "time:"):
		return "want a duration with its unit, such as 10s or 1m"
	case strings.Contains(text, "ParseBool"):
		return "want true or false"
	case strings.Contains(text, "ParseFloat"):
		return "want a number, such as 0.5"
	case strings.Contains(text, "strconv."):
		return "want a whole number, such as 2"
	case text == "parse error":
		return "want a number such as 2, or a duration with its unit such as 10s"
	}
	return text
}

// suggestion names the flag that is most like an unknown one.
func suggestion(unknown string, names []string) string {
	nearest := spelling.Nearest(unknown, names, 1+len(unknown)/4)
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", nearest)
}
