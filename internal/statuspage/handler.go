package statuspage

import (
	"bytes"
	_ "embed" // for the template
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"since": since,
	"utc":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageHTML))

// Handler serves the page that show returns. A browser gets HTML, other clients text, unless the
// parameter format (html, text or json) selects one. Only GET and HEAD are allowed.
func Handler(show func(*http.Request) Page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
			return
		}
		p := show(r)
		p.judge()
		var body bytes.Buffer
		var err error
		contentType := "text/plain; charset=utf-8"
		switch format := formatOf(r); format {
		case "text":
			writeText(&body, &p)
		case "html":
			contentType = "text/html; charset=utf-8"
			err = page.Execute(&body, p)
		case "json":
			contentType = "application/json"
			enc := json.NewEncoder(&body)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			err = enc.Encode(p)
		default:
			http.Error(w, fmt.Sprintf("format %q is not known: use html, text or json", format), http.StatusBadRequest)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		_, _ = body.WriteTo(w) // an error means that the client disconnected
	})
}

func formatOf(r *http.Request) string {
	if format := r.URL.Query().Get("format"); format != "" {
		return format
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		return "html"
	}
	return "text"
}

// writeText writes the page for a terminal.
func writeText(b *bytes.Buffer, p *Page) {
	fmt.Fprintf(b, "%s %s, up %s\n\n", p.Command, p.Version, since(p.Started))
	fmt.Fprintf(b, "%s: %s\n\n", strings.ToUpper(string(p.Level)), p.Summary)
	if q := p.Question; q != nil && q.Asked {
		fmt.Fprintf(b, "%s\n\n", q.Summary)
		writeTable(b, q.Steps)
		for _, note := range q.Notes {
			fmt.Fprintf(b, "%s\n", note)
		}
		return
	}
	parts := Table{Columns: []string{"part", "level", "since", "state"}}
	for _, part := range p.Parts {
		age := ""
		if !part.Since.IsZero() {
			age = since(part.Since)
		}
		parts.Rows = append(parts.Rows, []string{part.Name, string(part.Level), age, part.Text})
	}
	writeTable(b, &parts)
	for i := range p.Tables {
		t := &p.Tables[i]
		fmt.Fprintln(b, t.Caption)
		if len(t.Rows) == 0 {
			fmt.Fprintf(b, "  %s\n\n", t.Empty)
			continue
		}
		writeTable(b, t)
	}
	for _, c := range p.Charts {
		if len(c.Lines) == 0 {
			continue
		}
		t := Table{Columns: []string{"", "now", "highest"}}
		for _, l := range c.Shown() {
			t.Rows = append(t.Rows, []string{l.Name, l.Now(), l.Highest()})
		}
		fmt.Fprintf(b, "%s\n", c.Title)
		writeTable(b, &t)
	}
	for _, l := range p.Links {
		fmt.Fprintf(b, "%-12s %s\n", l.Path, l.Text)
	}
}

func writeTable(b *bytes.Buffer, t *Table) {
	if t == nil || len(t.Rows) == 0 {
		return
	}
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "  %s\n", strings.Join(t.Columns, "\t"))
	for _, row := range t.Rows {
		fmt.Fprintf(tw, "  %s\n", strings.Join(row, "\t"))
	}
	_ = tw.Flush() // to memory
	b.WriteByte('\n')
}

// since returns the time since t, short.
func since(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
