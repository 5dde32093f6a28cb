package report

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
)

// A chart is a file and its title.
type chart struct{ file, title string }

const (
	chartWidth  = 22 * vg.Centimeter
	chartHeight = 9 * vg.Centimeter
)

// palette has colours that remain distinct with any colour vision (Okabe and Ito).
var palette = []color.Color{
	color.RGBA{A: 255, R: 0, G: 114, B: 178},
	color.RGBA{A: 255, R: 230, G: 159, B: 0},
	color.RGBA{A: 255, R: 0, G: 158, B: 115},
	color.RGBA{A: 255, R: 204, G: 121, B: 167},
	color.RGBA{A: 255, R: 86, G: 180, B: 233},
	color.RGBA{A: 255, R: 213, G: 94, B: 0},
	color.RGBA{A: 255, R: 150, G: 150, B: 150},
}

func drawAll(r *Results, dir string) ([]chart, error) {
	var out []chart
	draw := func(file, title string, plotted func() (*plot.Plot, error)) error {
		p, err := plotted()
		if err != nil || p == nil {
			return err
		}
		p.Title.Text = title
		p.Title.Padding = 3 * vg.Millimeter
		path := filepath.Join(dir, file)
		if err := p.Save(chartWidth, chartHeight, path); err != nil {
			return fmt.Errorf("chart %s: %w", file, err)
		}
		if err := addFonts(path); err != nil {
			return fmt.Errorf("chart %s: %w", file, err)
		}
		out = append(out, chart{file, title})
		return nil
	}
	for _, s := range r.Sets {
		err := draw("cpu-"+s.Name+".svg", "CPU seconds per million answers, "+s.Name+" cluster", s.cpuChart)
		if err == nil {
			err = draw("port53-"+s.Name+".svg",
				"CPU seconds per million answers at a pod's port 53, "+s.Name+" cluster", s.podChart)
		}
		if err == nil {
			err = draw("memory-"+s.Name+".svg", "Memory in MiB, "+s.Name+" cluster", s.memoryChart)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, g := range growCharts(r) {
		if err := draw(g.file, g.title, g.draw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// addFonts adds fonts to a chart for readers without the font of the plotting library.
func addFonts(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b = bytes.ReplaceAll(b, []byte("font-family:Liberation Serif;"), []byte("font-family:Liberation Serif,Times,serif;"))
	return os.WriteFile(path, b, 0o644)
}

// bars draws one group of bars for each label, with one bar for each series.
func bars(labels []string, series []string, value func(series, label int) float64) (*plot.Plot, error) {
	p := plot.New()
	width := 17 * vg.Centimeter / vg.Length(len(labels)*(len(series)+1))
	highest := 0.0
	for i, name := range series {
		values := make(plotter.Values, len(labels))
		for j := range labels {
			values[j] = value(i, j)
			highest = max(highest, values[j])
		}
		b, err := plotter.NewBarChart(values, width)
		if err != nil {
			return nil, err
		}
		b.Color, b.LineStyle.Width = palette[i%len(palette)], 0
		b.Offset = width * vg.Length(float64(i)-float64(len(series)-1)/2)
		p.Add(b)
		p.Legend.Add(name, b)
	}
	p.Legend.Top = true
	p.Y.Min, p.Y.Max = 0, highest*1.35
	p.NominalX(labels...)
	p.Add(horizontal())
	return p, nil
}

func horizontal() *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Width = 0
	g.Horizontal.Color = color.Gray{Y: 225}
	return g
}

func (s *Set) titles(names []string) (kept, titles []string) {
	for _, p := range peer.All() {
		for _, n := range names {
			if p.Name == n && s.Peers[n] != nil {
				kept, titles = append(kept, n), append(titles, p.Title)
			}
		}
	}
	return kept, titles
}

func (s *Set) cpuChart() (*plot.Plot, error) {
	peers, titles := s.titles([]string{"echo", ours, "nsd", "knot", "coredns", "coredns-typical"})
	var mixes, labels []string
	for _, m := range s.Mixes {
		if s.CPU(ours, m.Name) > 0 {
			mixes, labels = append(mixes, m.Name), append(labels, short[m.Name])
		}
	}
	if len(mixes) == 0 || len(peers) == 0 {
		return nil, nil
	}
	return bars(labels, titles, func(i, j int) float64 { return s.CPU(peers[i], mixes[j]) })
}

func (s *Set) podChart() (*plot.Plot, error) {
	peers, titles := s.titles([]string{"cluster-first", "drop-in", "drop-in-negative", "dnsmasq-coredns",
		"node-cache", "node-coredns"})
	mixes := []string{dataset.MixA, dataset.MixNX, dataset.MixReal, dataset.MixTCP}
	var labels []string
	for _, m := range mixes {
		labels = append(labels, short[m])
	}
	if len(peers) == 0 || s.CPU(peers[0], dataset.MixReal) == 0 {
		return nil, nil
	}
	return bars(labels, titles, func(i, j int) float64 { return s.CPU(peers[i], mixes[j]) })
}

func (s *Set) memoryChart() (*plot.Plot, error) {
	peers, titles := s.titles([]string{ours, "coredns", "coredns-typical", "nsd", "knot", "cluster-first",
		"drop-in", "dnsmasq-coredns"})
	if len(peers) == 0 || len(s.Peers[peers[0]].Memory) == 0 {
		return nil, nil
	}
	labels := []string{"after start", "peak at start", "after the mixes"}
	return bars(labels, titles, func(i, j int) float64 {
		return medianOf(s.Peers[peers[i]].Memory, func(m Memory) float64 {
			return [...]float64{m.AfterSync, m.Peak, m.AfterMixes}[j]
		})
	})
}
