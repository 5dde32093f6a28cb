package httpd

import (
	"net/http"
	"net/http/pprof"
)

// PprofHandler serves the profiles of net/http/pprof below /debug/pprof/. Profiles reveal
// internals, so it must only listen on a loopback address.
func PprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
