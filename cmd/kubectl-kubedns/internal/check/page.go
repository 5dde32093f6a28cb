package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Names of the pages of a pod.
const (
	Readiness    = "readiness"
	Healthz      = "healthz"
	Status       = "status"         // of kube-dns
	NannyStatus  = "nanny status"   // of the nanny
	ProbeStatus  = "sidecar status" // of the sidecar
	Metrics      = "metrics"        // of kube-dns
	NannyMetrics = "nanny metrics"
	SideMetrics  = "sidecar metrics"
)

// A statusPage is the JSON form of the page at "/". Unknown fields are ignored, so that plugin and
// server can have different versions.
type statusPage struct {
	Command string       `json:"command"`
	Version string       `json:"version"`
	Parts   []statusPart `json:"parts"`
}

type statusPart struct {
	Name  string `json:"name"`
	Level string `json:"level"`
	Text  string `json:"text"`
}

// status returns the status page of that name, or false.
func (p *Pod) status(name string) (statusPage, bool) {
	var page statusPage
	body := p.Pages[name].Body
	ok := len(body) > 0 && json.Unmarshal(body, &page) == nil && page.Command != ""
	return page, ok
}

// Metric returns the sum of the series of a metric in the text format of Prometheus.
func Metric(body []byte, name string) (sum float64, ok bool) {
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), name)
		if !found || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(fields) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(fields[0], 64); err == nil {
			sum, ok = sum+v, true
		}
	}
	return sum, ok
}
