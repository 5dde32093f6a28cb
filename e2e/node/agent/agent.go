package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// askTimeout is the timeout of a query: the same as glibc's.
const askTimeout = 5 * time.Second

// Answer is the reply to a query.
type Answer struct {
	Rcode string // "NOERROR"
	// Records of the answer section as "TYPE rdata", in the order of the reply.
	Records []string
	// ExtendedError is the code of an Extended DNS Error (RFC 8914), or -1.
	ExtendedError int
	// Authoritative and Truncated are the header's AA and TC.
	Authoritative, Truncated bool
	// Err is the reason for a missing reply; all else is empty then.
	Err string
}

// Lookup is the result of the pod's resolver.
type Lookup struct {
	Addrs []string
	// Err is empty if there is at least one address.
	Err string
	// NotFound reports whether Err is about a name without addresses.
	NotFound bool
}

// Output is the output of a program, on both streams, and its exit code.
type Output struct {
	Text string
	Code int
}

// An Agent serves the tests. The zero value is ready to use, for one server.
type Agent struct {
	unready atomic.Bool
	mu      sync.Mutex
	load    *load
}

// Handler returns the HTTP interface.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname() // best effort: names the pod that replies
		fmt.Fprintln(w, host)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if a.unready.Load() {
			http.Error(w, "told to be unready", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /ready", func(_ http.ResponseWriter, r *http.Request) {
		a.unready.Store(r.FormValue("ok") == "false")
	})
	mux.HandleFunc("GET /ask", func(w http.ResponseWriter, r *http.Request) {
		tcp := r.FormValue("tcp") == "true"
		reply(w, Ask(r.Context(), r.FormValue("server"), r.FormValue("name"), r.FormValue("type"), tcp))
	})
	mux.HandleFunc("GET /resolve", func(w http.ResponseWriter, r *http.Request) {
		reply(w, resolve(r.Context(), r.FormValue("name")))
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		// A disconnected client needs no reply.
		_, _ = w.Write(b)
	})
	mux.HandleFunc("GET /exec", func(w http.ResponseWriter, r *http.Request) {
		reply(w, run(r.Context(), r.URL.Query()["arg"]))
	})
	mux.HandleFunc("POST /load", a.startLoad)
	mux.HandleFunc("DELETE /load", a.endLoad)
	return mux
}

// Ask sends one query with an OPT to a server ("ip:port") and waits 5 s.
func Ask(ctx context.Context, server, name, qtype string, tcp bool) Answer {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.StringToType[qtype])
	m.SetEdns0(1232, false)
	client := &dns.Client{Timeout: askTimeout}
	if tcp {
		client.Net = "tcp"
	}
	got, _, err := client.ExchangeContext(ctx, m, server)
	if err != nil {
		return Answer{Err: err.Error()}
	}
	a := Answer{
		Rcode: dns.RcodeToString[got.Rcode], ExtendedError: -1,
		Authoritative: got.Authoritative, Truncated: got.Truncated,
	}
	for _, rr := range got.Answer {
		a.Records = append(a.Records, record(rr))
	}
	if opt := got.IsEdns0(); opt != nil {
		for _, option := range opt.Option {
			if e, ok := option.(*dns.EDNS0_EDE); ok {
				a.ExtendedError = int(e.InfoCode)
			}
		}
	}
	return a
}

// record is a record's type and rdata.
func record(rr dns.RR) string {
	h := rr.Header()
	return dns.TypeToString[h.Rrtype] + " " + rr.String()[len(h.String()):]
}

func resolve(ctx context.Context, name string) Lookup {
	ctx, cancel := context.WithTimeout(ctx, 4*askTimeout)
	defer cancel()
	addrs, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, name)
	if err != nil {
		l := Lookup{Err: err.Error()}
		if failure, ok := errors.AsType[*net.DNSError](err); ok {
			l.NotFound = failure.IsNotFound
		}
		return l
	}
	return Lookup{Addrs: addrs}
}

func run(ctx context.Context, args []string) Output {
	if len(args) == 0 {
		return Output{Text: "no arg given", Code: -1}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err == nil {
		return Output{Text: string(out)}
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return Output{Text: string(out), Code: exit.ExitCode()}
	}
	return Output{Text: err.Error(), Code: -1}
}

func (a *Agent) startLoad(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var opts LoadOptions
	if err := json.Unmarshal(body, &opts); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.load != nil {
		http.Error(w, "a load is running: DELETE it first", http.StatusConflict)
		return
	}
	l, err := newLoad(context.WithoutCancel(r.Context()), opts)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.load = l
}

func (a *Agent) endLoad(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	l := a.load
	a.load = nil
	a.mu.Unlock()
	if l == nil {
		http.Error(w, "no load is running", http.StatusNotFound)
		return
	}
	reply(w, l.finish())
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// A disconnected client needs no reply.
	_ = json.NewEncoder(w).Encode(v)
}
