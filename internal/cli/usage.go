package cli

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/spelling"
)

// explainGNU turns an error of pflag into an error with the flag, the value, and the accepted
// values.
func explainGNU(err error, fs *pflag.FlagSet) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := invalid.GetFlag()
		return fmt.Errorf("--%s=%s: %s", f.Name, invalid.GetValue(), wanted(errors.Unwrap(invalid).Error(), f.Value.Type()))
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		fs.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		given := unknown.GetSpecifiedName()
		if letters := unknown.GetSpecifiedShortnames(); letters != "" {
			given = letters // a long flag with one dash
		}
		return fmt.Errorf("%w%s", err, suggestion("--"+given, names))
	}
	return err
}

// The errors of the standard flag package have no types.
var (
	goInvalid = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^:]+): (.*)$`)
	goUnknown = regexp.MustCompile(`^flag provided but not defined: (-.*)$`)
)

// explainGo is explainGNU for the standard flag package.
func explainGo(err error, fs *flag.FlagSet) error {
	if m := goInvalid.FindStringSubmatch(err.Error()); m != nil {
		value, unquoteErr := strconv.Unquote(m[1])
		if unquoteErr != nil {
			value = m[1]
		}
		kind := pflag.PFlagFromGoFlag(fs.Lookup(m[2])).Value.Type()
		return fmt.Errorf("-%s=%s: %s", m[2], value, wanted(m[3], kind))
	}
	if m := goUnknown.FindStringSubmatch(err.Error()); m != nil {
		var names []string
		fs.VisitAll(func(f *flag.Flag) { names = append(names, "-"+f.Name) })
		return fmt.Errorf("%w%s", err, suggestion(m[1], names))
	}
	return err
}

// wanted returns the accepted values of a flag type if reason is from one of Go's parsers.
// Otherwise it returns reason.
func wanted(reason, flagType string) string {
	switch {
	case !strings.Contains(reason, "strconv.") && !strings.HasPrefix(reason, "time: ") && reason != "parse error":
		return reason
	case flagType == "bool":
		return "want true or false"
	case flagType == "duration":
		return "want a duration with its unit, such as 10s or 1m"
	}
	return "want a whole number, such as 2"
}

// suggestion names the flag that is most like an unknown one. At least half of a short name must
// match.
func suggestion(unknown string, names []string) string {
	letters := len(strings.TrimLeft(unknown, "-"))
	nearest := spelling.Nearest(unknown, names, min(1+len(unknown)/4, letters/2))
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", nearest)
}
