package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// legacyLogFlags are the logging flags of older manifests. The list is fixed, so that a newer klog
// does not change the set of valid command lines.
var legacyLogFlags = []string{
	"add_dir_header", "alsologtostderr", "log_backtrace_at", "log_dir", "log_file", "log_file_max_size",
	"logtostderr", "one_output", "skip_headers", "skip_log_headers", "stderrthreshold",
}

const loggingUsage = "`format` of the log: text, or json for one object a line, without --vmodule and log files"

// AddGNUFlags registers the logging flags in the GNU form: -v, --v, --vmodule,
// --log-flush-frequency, --logging-format, and the hidden flags of older manifests (--logtostderr,
// --log_dir and so on). Every flag of fs then accepts underscores for dashes.
//
// Setting the flags changes the global state of klog.
func AddGNUFlags(fs *pflag.FlagSet) {
	fs.SetNormalizeFunc(dashes)
	logging := klogFlags()

	v := pflag.PFlagFromGoFlag(logging.Lookup("v"))
	v.Usage = "log `level`: 0 is normal, 2 is usual in clusters, 4 is for debugging"
	fs.AddFlag(v)

	vmodule := pflag.PFlagFromGoFlag(logging.Lookup("vmodule"))
	vmodule.Usage = "log level of single source files, as `pattern=level,...`; example: server=4,kube*=2"
	fs.AddFlag(vmodule)

	fs.Var(flushFrequency(), "log-flush-frequency", "maximum `time` before buffered lines are written to a log file")
	fs.Var(loggingFormat(), "logging-format", loggingUsage)

	for _, name := range legacyLogFlags {
		f := pflag.PFlagFromGoFlag(logging.Lookup(name))
		f.Hidden = true
		fs.AddFlag(f)
	}
}

// AddGoFlags registers the logging flags for the standard flag package, with klog's names and
// defaults: -v, -vmodule, -logging-format (text), -logtostderr (true), -stderrthreshold (2),
// -log_file_max_size (1800) and so on.
//
// Setting the flags changes the global state of klog.
func AddGoFlags(fs *flag.FlagSet) {
	fs.Var(loggingFormat(), "logging-format", loggingUsage)
	logging := klogFlags()
	for _, name := range append([]string{"v", "vmodule"}, legacyLogFlags...) {
		f := logging.Lookup(name)
		fs.Var(f.Value, f.Name, f.Usage)
	}
}

// klogFlags returns klog's flags in a new set, not in flag.CommandLine.
func klogFlags() *flag.FlagSet {
	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	fs.Lookup("stderrthreshold").Usage = "with -logtostderr=false: lines of this severity and above " +
		"go to standard error, too"
	return fs
}

func dashes(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
}

// ParseGNU parses args. For --help it prints about and the flags to stdout, and returns
// pflag.ErrHelp, which means exit code 0. For an invalid flag it returns an error with exit code 2.
// The error names the flag, the value, and the accepted values. fs must use pflag.ContinueOnError.
func ParseGNU(fs *pflag.FlagSet, args []string, about string, stdout io.Writer) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {} // pflag calls it for --help; parsed prints the help
	err := fs.Parse(args)
	if err != nil {
		err = explainGNU(err, fs)
	}
	return parsed(err, about, fs.FlagUsages(), stdout)
}

// ParseGo is [ParseGNU] for the standard flag package. fs must use flag.ContinueOnError.
func ParseGo(fs *flag.FlagSet, args []string, about string, stdout io.Writer) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	var usages bytes.Buffer
	fs.SetOutput(&usages)
	fs.PrintDefaults()
	fs.SetOutput(io.Discard)
	if err != nil {
		err = explainGo(err, fs)
	}
	return parsed(err, about, usages.String(), stdout)
}

// parsed prints the help if err requests it.
func parsed(err error, about, usages string, stdout io.Writer) error {
	if err == nil {
		return nil
	}
	help := strings.TrimRight(about, "\n") + "\n\nFlags:\n" + usages
	if errors.Is(err, pflag.ErrHelp) || errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help)
		return pflag.ErrHelp
	}
	return usageError(fmt.Errorf("%w; see --help", err))
}
