package querylog

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults and bounds of the parameters of requests.
const (
	defaultSeconds = 300
	streamSeconds  = 30
	defaultLines   = 100
	maxLines       = 1000
	defaultLimit   = 20
	defaultWindow  = 5 * time.Minute
)

// maxSeconds is MaxDuration.
const maxSeconds = int(MaxDuration / time.Second)

// Handler serves /querylog and /top. It is for operators: its users see names and clients, and can
// switch the log on.
func (l *Log) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /querylog", l.serveStart)
	mux.HandleFunc("PUT /querylog", l.serveStart)
	mux.HandleFunc("DELETE /querylog", func(w http.ResponseWriter, _ *http.Request) {
		l.Stop()
		writeJSON(w, l.State())
	})
	mux.HandleFunc("GET /querylog", l.serveQueries)
	mux.HandleFunc("GET /top", l.serveTop)
	return mux
}

// serveStart switches the log on.
func (l *Log) serveStart(w http.ResponseWriter, r *http.Request) {
	p := newParams(r, append([]string{"seconds", "sample", "lines"}, filterKeys...)...)
	s := Settings{
		For:    time.Duration(p.number("seconds", defaultSeconds, 1, maxSeconds)) * time.Second,
		Sample: p.sample(l.opts.Sample),
		Lines:  p.number("lines", 0, 0, maxLines),
		Filter: p.filter(),
	}
	if p.refused(w) {
		return
	}
	l.Start(s)
	writeJSON(w, l.State())
}

// serveQueries sends the state, or entries for some seconds.
func (l *Log) serveQueries(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.Query()) == 0 {
		writeJSON(w, l.State())
		return
	}
	p := newParams(r, append([]string{"seconds", "rate"}, filterKeys...)...)
	seconds := p.number("seconds", streamSeconds, 1, maxSeconds)
	perSecond, filter := p.number("rate", defaultLines, 1, maxLines), p.filter()
	if p.refused(w) {
		return
	}
	lines, ended, stop, err := l.follow(filter, perSecond)
	if err != nil {
		refuse(w, err)
		return
	}
	defer stop()
	stream(w, r, lines, ended, time.Duration(seconds)*time.Second)
}

// sendTimeout limits the time for a reader to receive data.
const sendTimeout = 10 * time.Second

// stream sends lines for some time, or until the session is over.
func stream(w http.ResponseWriter, r *http.Request, lines <-chan line, ended <-chan struct{}, last time.Duration) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Connection", "close") // the deadlines are those of the connection
	end := time.NewTimer(last)
	defer end.Stop()
	enc := json.NewEncoder(w)
	for {
		_ = control.SetWriteDeadline(time.Now().Add(sendTimeout))
		if control.Flush() != nil {
			return
		}
		select {
		case line := <-lines:
			_ = enc.Encode(line) // an error returns with Flush
			for range len(lines) {
				_ = enc.Encode(<-lines)
			}
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		case <-ended:
			return
		}
	}
}

// serveTop sends a report.
func (l *Log) serveTop(w http.ResponseWriter, r *http.Request) {
	p := newParams(r, "window", "by", "rcode", "limit")
	q := Question{
		Window: p.duration("window", defaultWindow, slotTime, MaxWindow),
		By:     cmp.Or(By(p.Get("by")), ByName),
		Rcode:  strings.ToUpper(p.Get("rcode")),
		Limit:  p.number("limit", defaultLimit, 1, maxRows),
	}
	if !slices.Contains(bys, q.By) {
		p.wrong("by", "name, client, rcode or type")
	}
	if counted := rcodeNames[:len(rcodeNames)-1]; q.Rcode != "" && !slices.Contains(counted, q.Rcode) {
		p.wrong("rcode", "one of "+strings.Join(counted, ", "))
	}
	if p.refused(w) {
		return
	}
	report, err := l.Report(q)
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, report)
}

// refuse replies with an error about the state.
func refuse(w http.ResponseWriter, err error) {
	code, text := http.StatusConflict, err.Error()+": switch it on with POST /querylog?seconds=300"
	if errors.Is(err, errManyStreams) {
		w.Header().Set("Retry-After", strconv.Itoa(streamSeconds))
		code, text = http.StatusServiceUnavailable, err.Error()
	}
	http.Error(w, text, code)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // an error means that the client disconnected
}
