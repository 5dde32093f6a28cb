package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// callDepth is the number of stack frames between a call of a slog.Logger method
// and klog's look-up of the calling file, less those klog expects by itself.
// Without it --vmodule would match the files of log/slog instead of ours.
const callDepth = 3

// Logger returns a logger that writes klog's line format under klog's flags: a
// record of level -n is shown at --v=n, so slog.LevelInfo always and
// slog.LevelDebug at --v=4. Warnings and errors are always shown. It is safe for
// concurrent use.
func Logger() *slog.Logger {
	return slog.New(logr.ToSlogHandler(klog.NewKlogr().WithCallDepth(callDepth)))
}

// LogFlags logs every flag with its value, one line each. Flags that are hidden
// from the help are logged when they were given.
func LogFlags(fs *pflag.FlagSet, log *slog.Logger) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden && !f.Changed {
			return
		}
		log.Info("flag", "name", "--"+f.Name, "value", f.Value.String())
	})
}

// stopLogging writes out what klog holds back and ends its flushing goroutine.
func stopLogging() {
	klog.StopFlushDaemon()
	klog.Flush()
}

// flushFrequency is the value of --log-flush-frequency. Like all of klog's flags
// it takes effect when it is set. It matters only when the log goes to files:
// klog does not buffer standard error.
type flushFrequency time.Duration

func (f *flushFrequency) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("must be a duration such as 5s or 1m")
	}
	if d <= 0 {
		return errors.New("must be greater than zero")
	}
	*f = flushFrequency(d)
	klog.StartFlushDaemon(d)
	return nil
}

func (f *flushFrequency) String() string { return time.Duration(*f).String() }
func (f *flushFrequency) Type() string   { return "duration" }
