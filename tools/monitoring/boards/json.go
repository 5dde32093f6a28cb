package boards

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const (
	tag    = "kube-dns"
	height = 7
)

// JSON returns the dashboard as Grafana imports it.
func (b Board) JSON() ([]byte, error) {
	builder := dashboard.NewDashboardBuilder(b.Title) //nolint:staticcheck // Grafana before 12 reads no other format
	builder.Uid(tag+"-"+b.Name).Description(b.Description).Tags([]string{tag}).Refresh("30s").Time("now-1h", "now").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).Editable().
		Link(dashboard.NewDashboardLinkBuilder("kube-dns").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{tag}).IncludeVars(true).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(variable("namespace", "Namespace", "label_values("+b.Instances+", namespace)")).
		WithVariable(variable("instance", "Instance", instances(b)))
	id := uint32(0)
	for _, row := range b.Rows {
		id++
		builder.WithRow(dashboard.NewRowBuilder(row.Title).Id(id))
		for _, p := range row.Panels {
			id++
			builder.WithPanel(p.build(id))
		}
	}
	object, err := builder.Build()
	if err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", b.Name, err)
	}
	data, err := json.MarshalIndent(object, "", "  ")
	return append(data, '\n'), err
}

// instances is the query of the variable instance: pods of kube-dns, nodes of the cache.
func instances(b Board) string {
	label := "pod"
	if b.Name == nodeCacheName {
		label = "instance"
	}
	return "label_values(" + b.Instances + `{namespace=~"$namespace"}, ` + label + ")"
}

func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

func variable(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source()).
		Query(dashboard.StringOrMap{String: &query}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).Multi(true).IncludeAll(true).AllValue(".*")
}

func (p Panel) build(id uint32) cog.Builder[dashboard.Panel] {
	switch p.Kind {
	case Number:
		return p.number(id)
	case Table:
		return p.table(id)
	case Timeline:
		return p.timeline(id)
	case Heatmap:
		return p.heatmap(id)
	default:
		return p.graph(id)
	}
}

// width returns the width of a panel.
func (p Panel) width() uint32 {
	switch {
	case p.Width > 0:
		return p.Width
	case p.Kind == Number:
		return 4
	default:
		return 8
	}
}

// query returns the n-th query.
func (p Panel) query(n int) *prometheus.DataqueryBuilder {
	t := p.Targets[n]
	q := prometheus.NewDataqueryBuilder().Expr(t.Expr).LegendFormat(t.Legend).Datasource(source()).
		RefId(string(rune('A' + n)))
	switch p.Kind {
	case Table:
		return q.Instant().Format(prometheus.PromQueryFormatTable)
	case Number:
		return q.Instant()
	case Heatmap:
		return q.Range().Format(prometheus.PromQueryFormatHeatmap)
	default:
		return q.Range()
	}
}

// thresholds are green, and red from Red on.
func (p Panel) thresholds() *dashboard.ThresholdsConfigBuilder {
	steps := []dashboard.Threshold{{Color: "green"}}
	if p.Red > 0 {
		steps = append(steps, dashboard.Threshold{Value: &p.Red, Color: "red"})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

func (p Panel) graph(id uint32) cog.Builder[dashboard.Panel] {
	b := timeseries.NewPanelBuilder().Id(id).Title(p.Title).Description(p.Help).Unit(p.Unit).Span(p.width()).
		Height(height).Datasource(source()).Min(0).FillOpacity(10).Thresholds(p.thresholds()).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.Red > 0 {
		b.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	for n := range p.Targets {
		b.WithTarget(p.query(n))
	}
	return b
}

func (p Panel) number(id uint32) cog.Builder[dashboard.Panel] {
	b := stat.NewPanelBuilder().Id(id).Title(p.Title).Description(p.Help).Unit(p.Unit).Span(p.width()).Height(height - 3).
		Datasource(source()).Thresholds(p.thresholds()).NoValue("none").
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
	for n := range p.Targets {
		b.WithTarget(p.query(n))
	}
	return b
}

func (p Panel) table(id uint32) cog.Builder[dashboard.Panel] {
	b := table.NewPanelBuilder().Id(id).Title(p.Title).Description(p.Help).Unit(p.Unit).Span(p.width()).Height(height).
		Datasource(source()).Thresholds(p.thresholds()).NoValue("none").
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true, "Value": true, "__name__": true, "job": true, "instance": true},
		}})
	for n := range p.Targets {
		b.WithTarget(p.query(n))
	}
	return b
}

func (p Panel) timeline(id uint32) cog.Builder[dashboard.Panel] {
	b := statetimeline.NewPanelBuilder().Id(id).Title(p.Title).Description(p.Help).Unit(p.Unit).Span(p.width()).
		Height(height).Datasource(source()).Thresholds(p.thresholds()).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle).Sort(common.SortOrderNone))
	for n := range p.Targets {
		b.WithTarget(p.query(n))
	}
	return b
}

func (p Panel) heatmap(id uint32) cog.Builder[dashboard.Panel] {
	b := heatmap.NewPanelBuilder().Id(id).Title(p.Title).Description(p.Help).Unit(p.Unit).Span(p.width()).Height(height).
		Datasource(source()).Calculate(false).YAxis(heatmap.NewYAxisConfigBuilder().Unit(p.Unit))
	for n := range p.Targets {
		b.WithTarget(p.query(n))
	}
	return b
}
