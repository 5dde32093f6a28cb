package agent

import "log/slog"

// line logs a message that operators of the original search for, values included.
func line(log *slog.Logger, text string) {
	log.Info(text) //nolint:sloglint // the text is not a constant
}
