package main

import (
	"fmt"
	"time"

	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
	"github.com/kube-dns/kube-dns/pkg/dns/manifest"
)

// watchParts are the parts of the API server.
func watchParts(st kube.Status) []statuspage.Part {
	var parts []statuspage.Part
	for _, w := range st.Watches {
		part := statuspage.Part{Name: "watch of " + w.Resource, Level: statuspage.OK, Since: w.Changed}
		part.Text = "open, API server " + st.Server
		if w.Resource == "endpoints" && st.Endpoints != "" {
			part.Text += ", from " + st.Endpoints
		}
		if !w.Confirmed.IsZero() {
			part.Text += fmt.Sprintf(", last change or bookmark %s ago", time.Since(w.Confirmed).Round(time.Second))
		}
		if !w.Connected {
			part.Level, part.Text = statuspage.Warning, "not open: changes do not arrive"
			if st.Problem != nil {
				part.Text += ": " + st.Problem.String()
			}
		}
		parts = append(parts, part)
	}
	return parts
}

// manifestPart is the part of a directory of manifests.
func manifestPart(m *manifest.Source) statuspage.Part {
	if trouble := manifestTrouble(m); trouble != "" {
		return statuspage.Part{Name: "source", Level: statuspage.Warning, Text: trouble}
	}
	return statuspage.Part{Name: "source", Level: statuspage.OK, Text: "manifests in " + m.Dir}
}

// manifestTrouble returns in one line which manifests cannot be used, and why, or "".
func manifestTrouble(m *manifest.Source) string {
	st := m.Status()
	switch {
	case st.Broken > 0:
		return fmt.Sprintf("%d of %d manifests cannot be used, and their names get SERVFAIL: %s",
			st.Broken, st.Files, st.Errors[0])
	case len(st.Errors) > 0:
		return st.Errors[0]
	}
	return ""
}
