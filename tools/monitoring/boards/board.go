// Package boards has the dashboards for Grafana as data. JSON returns their classic format, for
// Grafana 9 and later.
package boards

import "strings"

// A Board is a dashboard.
type Board struct {
	// Name is the name of the file and the UID.
	Name, Title, Description string
	// Instances is the query of the variable instance.
	Instances string
	Rows      []Row
}

// A Row is a heading with panels.
type Row struct {
	Title  string
	Panels []Panel
}

// A Kind is the visualization of a panel.
type Kind int

// Kinds of panels.
const (
	Graph    Kind = iota // lines over time
	Number               // the last value
	Table                // the last values with their labels
	Timeline             // states over time
	Heatmap              // buckets of a histogram over time
)

// A Panel shows series.
type Panel struct {
	Kind Kind
	// Help is one sentence.
	Title, Help string
	// Unit is one of package units.
	Unit string
	// Width is in 24ths. 0: 8, for numbers 4.
	Width   uint32
	Targets []Target
	// Red is the threshold for red numbers, or a mark in graphs. 0: none.
	Red float64
}

// A Target is a query with the legend of its series. In the files of this package, words with a
// dollar sign abbreviate parts of queries: see short.
type Target struct{ Expr, Legend string }

// short has selectors with the variables of the dashboards.
var short = strings.NewReplacer(
	"$s", `namespace=~"$namespace", pod=~"$instance"`, // chosen pods
	"$f", `namespace=~"$namespace"`, // the fleet
	"$o", `namespace=~"$namespace", pod=~"$instance", job=~"(.+/)?kube-dns"`, // our processes in chosen pods
	"$n", `namespace=~"$namespace", instance=~"$instance", job=~"(.+/)?(node-local-dns|nodelocaldns)"`, // node caches
	"$i", "$__rate_interval",
)

// one is a single query.
func one(expr, legend string) []Target { return []Target{{expr, legend}} }

// quantiles are the median and the 99th percentile of a histogram, by a label if it is not empty.
// labels selects series.
func quantiles(histogram, labels, by string) []Target {
	sum, legend := "le", ""
	if by != "" {
		sum, legend = by+", le", " {{"+by+"}}"
	}
	rate := "sum by (" + sum + ") (rate(" + histogram + "_bucket{" + labels + "}[$i]))"
	return []Target{
		{"histogram_quantile(0.5, " + rate + ")", "median" + legend},
		{"histogram_quantile(0.99, " + rate + ")", "99th" + legend},
	}
}

// heat is the query of a heat map.
func heat(histogram, labels string) []Target {
	return one("sum by (le) (increase("+histogram+"_bucket{"+labels+"}[$i]))", "{{le}}")
}

// All returns all dashboards.
func All() []Board {
	list := []Board{podBoard(), fleetBoard(), upstreamsBoard(), apiBoard(), nodeCacheBoard()}
	for _, board := range list {
		for _, row := range board.Rows {
			for _, p := range row.Panels {
				for n := range p.Targets {
					p.Targets[n].Expr = short.Replace(p.Targets[n].Expr)
				}
			}
		}
	}
	return list
}
