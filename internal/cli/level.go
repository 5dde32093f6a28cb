package cli

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/klog/v2"
)

// LevelPath is the path of the log level in Kubernetes components.
const LevelPath = "/debug/flags/v"

// maxLevel is the highest log level. No line has a higher one.
const maxLevel = 10

// LevelHandler sets the log level, as --v does, to the number in the body of a PUT. It is for
// operators: above 4 the log has much of the traffic with clients and the API server.
func LevelHandler(log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			w.Header().Set("Allow", http.MethodPut)
			http.Error(w, "use PUT with a log level as the body, such as 4", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
		text := strings.TrimSpace(string(body))
		if v, atoi := strconv.Atoi(text); err == nil && (atoi != nil || v < 0 || v > maxLevel) {
			err = fmt.Errorf("the body has to be a number from 0 to %d", maxLevel)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("cannot set the log level: %v", err), http.StatusBadRequest)
			return
		}
		var level klog.Level
		_ = level.Set(text) // of the process; it is a number
		log.Info("set the log level", "v", text)
		fmt.Fprintf(w, "successfully set klog.logging.verbosity to %s\n", text)
	})
}
