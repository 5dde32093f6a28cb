package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

type growChart struct {
	file, title string
	draw        func() (*plot.Plot, error)
}

// growCharts show memory and the cost of an update against the cluster's size.
func growCharts(r *Results) []growChart {
	if len(r.Grow) == 0 {
		return nil
	}
	services, endpoints := r.series()
	memory := func(points []GrowPoint, x string, size func(GrowPoint) float64) func() (*plot.Plot, error) {
		return func() (*plot.Plot, error) {
			return lines(x, "MiB", []line{
				{"RSS", xy(points, size, func(g GrowPoint) float64 { return g.RSS })},
				{"peak", xy(points, size, func(g GrowPoint) float64 { return g.Peak })},
				{"live heap", xy(points, size, func(g GrowPoint) float64 { return g.Heap })},
			})
		}
	}
	update := func(g GrowPoint) float64 { return Median(g.UpdateMs) }
	bySize := func(u UpdatePoint) float64 { return float64(u.Endpoints) }
	return []growChart{
		{"grow-services.svg", "kube-dns's memory while Services are added", memory(services, "Services", bySvc)},
		{"grow-endpoints.svg", "kube-dns's memory while endpoints are added",
			memory(endpoints, "headless endpoints", byEp)},
		{"grow-update.svg", "kube-dns's CPU for one changed slice of 50 endpoints", func() (*plot.Plot, error) {
			return lines("Services and endpoints in the cluster", "ms", []line{
				{"an update", xy(r.Grow, func(g GrowPoint) float64 { return bySvc(g) + byEp(g) }, update)},
			})
		}},
		{"grow-size.svg", "kube-dns's CPU for one changed slice of at most 100 endpoints", func() (*plot.Plot, error) {
			return lines("endpoints of the changed Service", "ms", []line{
				{"an update", xy(r.Updates, bySize, func(u UpdatePoint) float64 { return Median(u.UpdateMs) })},
			})
		}},
	}
}

func bySvc(g GrowPoint) float64 { return float64(g.Services) }
func byEp(g GrowPoint) float64  { return float64(g.Endpoints) }

// series splits the points. The last point of the first series starts the second.
func (r *Results) series() (services, endpoints []GrowPoint) {
	for _, g := range r.Grow {
		if g.Series == "services" {
			services = append(services, g)
		} else {
			if len(endpoints) == 0 && len(services) > 0 {
				endpoints = append(endpoints, services[len(services)-1])
			}
			endpoints = append(endpoints, g)
		}
	}
	return services, endpoints
}

type line struct {
	name   string
	points plotter.XYs
}

func xy[T any](items []T, x, y func(T) float64) plotter.XYs {
	var out plotter.XYs
	for _, i := range items {
		out = append(out, plotter.XY{X: x(i), Y: y(i)})
	}
	return out
}

func lines(x, y string, all []line) (*plot.Plot, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Min, p.Y.Min = 0, 0
	for i, l := range all {
		if len(l.points) == 0 {
			return nil, nil
		}
		drawn, dots, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return nil, err
		}
		drawn.Color, dots.Color = palette[i%len(palette)], palette[i%len(palette)]
		drawn.Width = vg.Points(1.5)
		p.Add(drawn, dots)
		p.Legend.Add(l.name, drawn, dots)
		for _, pt := range l.points {
			p.Y.Max = max(p.Y.Max, pt.Y*1.15)
		}
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(horizontal())
	return p, nil
}
