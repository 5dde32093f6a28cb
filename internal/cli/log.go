package cli

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// callDepth is the number of extra stack frames between a call of a slog.Logger method
// and klog's lookup of the calling file. Without it --vmodule would match the files of
// log/slog.
const callDepth = 3

// Logger returns a logger that writes klog's text format, or JSON after
// --logging-format=json. A record of level -n is shown at --v=n: slog.LevelDebug at
// --v=4, slog.LevelInfo and above always. It is safe for concurrent use.
func Logger() *slog.Logger {
	if s, ok := klog.Background().GetSink().(interface{ GetUnderlying() slog.Handler }); ok {
		return slog.New(s.GetUnderlying()) // set by --logging-format=json
	}
	return slog.New(&handler{sink: klog.NewKlogr().WithCallDepth(callDepth).GetSink().(sink)})
}

// A sink is klog's own, which writes the text format.
type sink interface {
	Enabled(verbosity int) bool
	Handle(ctx context.Context, r slog.Record) error
}

// A handler keeps the attributes of slog.Logger.With, which klog drops.
type handler struct {
	sink
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.sink.Enabled(int(max(0, -level)))
}

// Handle adds the attributes of With.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	with := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	with.AddAttrs(h.attrs...)
	r.Attrs(func(a slog.Attr) bool { with.AddAttrs(a); return true })
	return h.sink.Handle(ctx, with)
}

// WithAttrs returns a handler that adds attrs to each record.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.sink, slices.Concat(h.attrs, attrs)}
}

// WithGroup returns h: no package groups its keys.
func (h *handler) WithGroup(string) slog.Handler { return h }

// LogFlags logs each flag with its value. Hidden flags are logged only if they were set.
func LogFlags(fs *pflag.FlagSet, log *slog.Logger) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden && !f.Changed {
			return
		}
		log.Info("using a flag", "name", "--"+f.Name, "value", f.Value.String())
	})
}

// stopLogging flushes the log and stops klog's flushing goroutine.
func stopLogging() {
	klog.StopFlushDaemon()
	klog.Flush()
}

// flushFrequency returns the value of --log-flush-frequency. Like klog's flags it takes
// effect when it is set. It matters only for log files: klog does not buffer standard
// error.
func flushFrequency() pflag.Value {
	frequency := 5 * time.Second
	return Parsed(&frequency, "duration", func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return 0, err
		case d <= 0:
			return 0, errors.New("must be greater than zero")
		}
		klog.StartFlushDaemon(d)
		return d, nil
	})
}
