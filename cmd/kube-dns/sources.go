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
			part.Text += fmt.Sprintf(", last news %s ago", time.Since(w.Confirmed).Round(time.Second))
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
	st := m.Status()
	part := statuspage.Part{Name: "source", Level: statuspage.OK, Text: "manifests in " + m.Dir}
	switch {
	case st.Broken > 0:
		part.Level = statuspage.Warning
		part.Text = fmt.Sprintf("%d of %d manifests in %s cannot be used: %s", st.Broken, st.Files, m.Dir, st.Errors[0])
	case len(st.Errors) > 0:
		part.Level, part.Text = statuspage.Warning, st.Errors[0]
	}
	return part
}
