package querylog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds and defaults of the parameters of requests.
const (
	defaultSeconds = 300
	streamSeconds  = 30
	defaultLines   = 100
	maxLines       = 1000
	defaultLimit   = 20
)

// Handler serves /querylog and /top. It is for operators: who may reach it sees names and
// clients, and can switch the log on.
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
	values := r.URL.Query()
	s, err := l.settings(values)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.Start(s)
	writeJSON(w, l.State())
}

// settings reads the parameters seconds, sample, lines and those of a filter.
func (l *Log) settings(values url.Values) (Settings, error) {
	if err := onlyKeys(values, append([]string{"seconds", "sample", "lines"}, filterKeys...)); err != nil {
		return Settings{}, err
	}
	s := Settings{Sample: l.sample}
	seconds, err := number(values, "seconds", defaultSeconds, 1, int(MaxDuration.Seconds()))
	if err != nil {
		return s, err
	}
	s.For = time.Duration(seconds) * time.Second
	if s.Lines, err = number(values, "lines", 0, 0, maxLines); err != nil {
		return s, err
	}
	if text := values.Get("sample"); text != "" {
		if s.Sample, err = ParseSample(text); err != nil {
			return s, fmt.Errorf("sample=%s: %w", text, err)
		}
	}
	s.Filter, err = ParseFilter(values)
	return s, err
}

// ParseSample reads a share.
func ParseSample(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= minSample && v <= 1) {
		return 0, fmt.Errorf("want a number from %v to 1, such as 0.01", minSample)
	}
	return v, nil
}

// minSample is the smallest share.
const minSample = 1e-6

// serveQueries sends the state, or entries for some seconds.
func (l *Log) serveQueries(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	if len(values) == 0 {
		writeJSON(w, l.State())
		return
	}
	seconds, f, perSecond, err := streamed(values)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case l.readers <- struct{}{}:
		defer func() { <-l.readers }()
	default:
		w.Header().Set("Retry-After", strconv.Itoa(streamSeconds))
		http.Error(w, fmt.Sprintf("%d readers follow the queries already", maxReaders), http.StatusServiceUnavailable)
		return
	}
	s, stop, err := l.follow(f, perSecond)
	if err != nil {
		refuse(w, err)
		return
	}
	defer stop()
	l.send(w, r, s, time.Duration(seconds)*time.Second)
}

// streamed reads the parameters of a stream.
func streamed(values url.Values) (seconds int, f Filter, perSecond int, err error) {
	if err = onlyKeys(values, append([]string{"seconds", "rate"}, filterKeys...)); err != nil {
		return
	}
	if seconds, err = number(values, "seconds", streamSeconds, 1, int(MaxDuration.Seconds())); err != nil {
		return
	}
	if perSecond, err = number(values, "rate", defaultLines, 1, maxLines); err != nil {
		return
	}
	f, err = ParseFilter(values)
	return
}

// sendTimeout is how long a reader may take to receive what is sent.
const sendTimeout = 10 * time.Second

// send writes the lines of a stream. It ends with the session, too.
func (l *Log) send(w http.ResponseWriter, r *http.Request, s *stream, last time.Duration) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Connection", "close") // the deadlines are those of the connection
	end := time.NewTimer(last)
	defer end.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	enc := json.NewEncoder(w)
	for {
		_ = control.SetWriteDeadline(time.Now().Add(sendTimeout))
		if control.Flush() != nil {
			return
		}
		select {
		case line := <-s.queue:
			if enc.Encode(line) != nil {
				return
			}
			for range len(s.queue) {
				_ = enc.Encode(<-s.queue) // an error returns with Flush
			}
		case <-look.C:
			if _, err := l.current(); err != nil {
				return
			}
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		case <-l.ended:
			return
		}
	}
}

// serveTop sends a report.
func (l *Log) serveTop(w http.ResponseWriter, r *http.Request) {
	q, err := question(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	report, err := l.Report(q)
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, report)
}

// question reads the parameters window, by, rcode and limit.
func question(values url.Values) (Question, error) {
	q := Question{Window: 5 * time.Minute, By: ByName, Rcode: strings.ToUpper(values.Get("rcode"))}
	if err := onlyKeys(values, []string{"window", "by", "rcode", "limit"}); err != nil {
		return q, err
	}
	if text := values.Get("window"); text != "" {
		var err error
		if q.Window, err = time.ParseDuration(text); err != nil || q.Window < slotTime || q.Window > MaxWindow {
			return q, fmt.Errorf("window=%s: want a duration from %v to %v, such as 5m", text, slotTime, MaxWindow)
		}
	}
	if text := values.Get("by"); text != "" {
		q.By = By(text)
	}
	if !slices.Contains([]By{ByName, ByClient, ByRcode, ByType}, q.By) {
		return q, fmt.Errorf("by=%s: want %s, %s, %s or %s", q.By, ByName, ByClient, ByRcode, ByType)
	}
	if q.Rcode != "" && !isCounted(q.Rcode) {
		return q, fmt.Errorf("rcode=%s: want one of %s", q.Rcode, strings.Join(countedRcodes(), ", "))
	}
	var err error
	q.Limit, err = number(values, "limit", defaultLimit, 1, maxRows)
	return q, err
}

// number reads a parameter.
func number(values url.Values, key string, missing, low, high int) (int, error) {
	text := values.Get(key)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s=%s: want a number from %d to %d", key, text, low, high)
	}
	return n, nil
}

// onlyKeys returns an error for a parameter that has no meaning, so that a wrong word in a
// filter does not show everything.
func onlyKeys(values url.Values, keys []string) error {
	for key := range values {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("the parameter %s is not known: use %s", key, strings.Join(keys, ", "))
		}
	}
	return nil
}

// refuse replies with an error of the state.
func refuse(w http.ResponseWriter, err error) {
	code, text := http.StatusInternalServerError, err.Error()
	if errors.Is(err, ErrOff) {
		code, text = http.StatusConflict, text+": switch it on with POST /querylog?seconds=300"
	}
	http.Error(w, text, code)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // an error is a client that went away
}
