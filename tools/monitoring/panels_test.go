package main

import (
	"encoding/json"
	"slices"
	"testing"
)

// A panel is a panel of a dashboard, as Grafana reads it.
type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  source
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		Expr, RefID string
		Datasource  source
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
	Panels      []panel // of a row that is folded
}

type source struct{ Type, UID string }

// chosen is the data source selected by the variable of the dashboard.
var chosen = source{"prometheus", "${datasource}"}

// units are the Grafana units of the panels.
var units = []string{"bytes", "cps", "none", "percentunit", "reqps", "s", "short"}

// TestPanels checks the files that users import: unique ids, a separate place for each panel, a
// data source that the user chooses, valid queries, and the unit.
func TestPanels(t *testing.T) {
	uids := map[string]string{}
	for _, path := range paths(t, "monitoring/dashboards/*.json") {
		var board struct {
			UID, Title string
			Panels     []panel
			Templating struct {
				List []struct{ Name, Type, Query string }
			}
		}
		text := read(t, path)
		if err := json.Unmarshal([]byte(text), &board); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if len(board.Panels) == 0 {
			t.Errorf("%s: has no panels", path)
		}
		if other := uids[board.UID]; board.UID == "" || board.Title == "" || other != "" {
			t.Errorf("%s: got uid %q, title %q, the same uid as %q", path, board.UID, board.Title, other)
		}
		uids[board.UID] = path
		if !slices.ContainsFunc(board.Templating.List, func(v struct{ Name, Type, Query string }) bool {
			return v.Name == "datasource" && v.Type == "datasource" && v.Query == "prometheus"
		}) {
			t.Errorf("%s: there is no variable datasource of Prometheus", path)
		}
		checkPlaces(t, path, board.Panels)
		for _, p := range board.Panels {
			checkPanel(t, path, p)
		}
	}
}

// checkPlaces checks that the ids are unique and that no panel covers another.
func checkPlaces(t *testing.T, path string, panels []panel) {
	t.Helper()
	for i, p := range panels {
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
			t.Errorf("%s: %q is outside of the grid: %+v", path, p.Title, g)
		}
		if p.ID == 0 || len(p.Panels) > 0 {
			t.Errorf("%s: %q has id %d and %d folded panels", path, p.Title, p.ID, len(p.Panels))
		}
		for _, q := range panels[:i] {
			o := q.GridPos
			if p.ID == q.ID {
				t.Errorf("%s: %q and %q have the id %d", path, q.Title, p.Title, p.ID)
			}
			if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				t.Errorf("%s: %q %+v covers %q %+v", path, p.Title, g, q.Title, o)
			}
		}
	}
}

// checkPanel checks one panel that is not a row.
func checkPanel(t *testing.T, path string, p panel) {
	t.Helper()
	if p.Type == "row" {
		return
	}
	known := newCatalog(t)
	where := path + ": " + p.Title
	if p.Title == "" || p.Description == "" || p.Datasource != chosen || len(p.Targets) == 0 {
		t.Errorf("%s: got description %q, data source %+v and %d queries", where, p.Description, p.Datasource, len(p.Targets))
	}
	if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
		t.Errorf("%s: %q is no unit of Grafana that is known here", where, p.FieldConfig.Defaults.Unit)
	}
	refs := map[string]bool{}
	for _, target := range p.Targets {
		if refs[target.RefID] || target.RefID == "" || target.Datasource != chosen {
			t.Errorf("%s: got refId %q and data source %+v", where, target.RefID, target.Datasource)
		}
		refs[target.RefID] = true
		known.check(t, where, variables.Replace(target.Expr))
	}
}
