package dnsmasq

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
)

// A lineKind is the meaning of a line of dnsmasq's log.
type lineKind int

const (
	lineOther    lineKind = iota
	lineBadFile           // a line of the servers file was skipped, or the file cannot be read
	lineOverload          // a query was refused: too many are pending
	lineUnused            // a server is not used: it leads back to dnsmasq
)

// Clients choose the names in dnsmasq's lines, and the names can contain spaces. So a pattern
// matches the entire line, and its variable parts have only characters of addresses, numbers and
// paths.
var linePatterns = []struct {
	kind    lineKind
	pattern *regexp.Regexp
}{
	{lineOverload, linePattern(`Maximum number of concurrent DNS queries (to \S+ )?reached \(max: \d+\)`)},
	{lineUnused, linePattern(`NOT using nameserver [0-9a-fA-F.:]+(%\S+)?#\d+ - query loop detected`)},
	{lineUnused, linePattern(`ignoring nameserver [0-9a-fA-F.:]+(%\S+)? - local interface`)},
	{lineBadFile, linePattern(`[a-zA-Z][a-zA-Z ]* at line \d+ of \S+/` + serversName)},
	{lineBadFile, linePattern(`cannot (?:open|read|access) \S+/` + serversName + `: [a-zA-Z ]+`)},
}

// linePattern compiles the pattern of a message, with the name of the program before it.
func linePattern(message string) *regexp.Regexp {
	return regexp.MustCompile(`^dnsmasq(?:\[\d+\])?: ` + message + `$`)
}

// classify reads a line of dnsmasq's log.
func classify(line string) lineKind {
	for _, p := range linePatterns {
		if p.pattern.MatchString(line) {
			return p.kind
		}
	}
	return lineOther
}

// maxShown limits the logged lines of one dnsmasq.
const maxShown = 100

// logLines are the lines of one dnsmasq's log. It is safe for concurrent use.
type logLines struct {
	log     *slog.Logger
	metrics *Metrics

	mu    sync.Mutex
	shown map[string]bool
}

func newLogLines(log *slog.Logger, metrics *Metrics) *logLines {
	return &logLines{log: log, metrics: metrics, shown: map[string]bool{}}
}

// first reports whether line is new, and notes it.
func (l *logLines) first(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown[line] || len(l.shown) >= maxShown {
		return false
	}
	l.shown[line] = true
	return true
}

// on logs a line of dnsmasq's log, counts it, and shows lines that an operator needs. It changes no
// other state: clients choose part of the text. It runs in the readers' goroutines.
func (l *logLines) on(ctx context.Context, line string) {
	l.log.Log(ctx, levelOutput, "dnsmasq", "line", line)
	switch classify(line) {
	case lineOverload:
		l.metrics.overload.Inc()
	case lineBadFile:
		if l.first(line) {
			l.log.Error("dnsmasq cannot use its servers file, or a line of it", "line", line)
		}
	case lineUnused:
		if l.first(line) {
			l.log.Warn("dnsmasq does not use a server that leads back to it", "line", line)
		}
	case lineOther:
	}
}

// levelOutput is where dnsmasq's lines are logged: verbosity 1.
const levelOutput = slog.Level(-1)
