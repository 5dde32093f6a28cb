package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// loggingFormat returns the value of --logging-format, as in Kubernetes components: text is klog's
// format, json writes one object a line to standard error. Like klog's flags it takes effect when
// it is set. With json, --vmodule and the flags for log files are ignored.
func loggingFormat() pflag.Value {
	format := "text"
	return Parsed(&format, "string", func(text string) (string, error) {
		switch text {
		case "text":
			klog.ClearLogger()
		case "json":
			klog.SetSlogLogger(slog.New(jsonHandler{newJSON(os.Stderr)}))
		default:
			return "", errors.New("must be text or json")
		}
		return text, nil
	})
}

// A jsonHandler shows a record of level -n at --v=n, as the text format does.
type jsonHandler struct{ slog.Handler }

func (h jsonHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || klog.V(klog.Level(-level)).Enabled()
}

func (h jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return jsonHandler{h.Handler.WithAttrs(attrs)}
}

func (h jsonHandler) WithGroup(name string) slog.Handler {
	return jsonHandler{h.Handler.WithGroup(name)}
}

// newJSON returns a handler with the keys of Kubernetes components: ts in milliseconds
// since 1970, level (INFO, WARN or ERROR), v, caller and msg.
func newJSON(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{
		AddSource: true,
		Level:     slog.Level(-1000), // jsonHandler decides
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch value := a.Value.Any().(type) {
			case slog.Level:
				severity := max(value, slog.LevelInfo)
				level, v := slog.String("level", severity.String()), slog.Int("v", int(severity-value))
				return slog.Attr{Value: slog.GroupValue(level, v)} // a group without a name is inlined
			case time.Duration:
				return slog.String(a.Key, value.String())
			case *slog.Source:
				return slog.String("caller", fmt.Sprintf("%s:%d", filepath.Base(value.File), value.Line))
			}
			if a.Key == slog.TimeKey {
				return slog.Float64("ts", float64(a.Value.Time().UnixMicro())/1000)
			}
			return a
		},
	})
}
