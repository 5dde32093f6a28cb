package bundle

import (
	"fmt"
	"html"
	"net/url"
	"path"
	"strings"
)

// AddIndex writes index.html, with lines of text and a link to each file written so far.
func (w *Writer) AddIndex(lines []string) error {
	var b strings.Builder
	title := html.EscapeString(w.dir)
	fmt.Fprintf(&b, "<!doctype html>\n<meta charset=utf-8>\n<title>%s</title>\n", title)
	b.WriteString("<style>body{font:1em/1.4 sans-serif;margin:2em}" +
		"td{padding:0 1em 0 0}td.n{text-align:right}</style>\n")
	fmt.Fprintf(&b, "<h1>%s</h1>\n<pre>\n", title)
	for _, line := range lines {
		if w.Hide != nil {
			line = w.Hide.Text(line)
		}
		b.WriteString(html.EscapeString(line) + "\n")
	}
	b.WriteString("</pre>\n")
	folder := ""
	for i, f := range w.list {
		if dir := path.Dir(f.Name); i == 0 || dir != folder {
			if i > 0 {
				b.WriteString("</table>\n")
			}
			folder = dir
			name := dir
			if dir == "." {
				name = "cluster"
			}
			fmt.Fprintf(&b, "<h2>%s</h2>\n<table>\n", html.EscapeString(name))
		}
		link := url.URL{Path: "./" + f.Name}
		fmt.Fprintf(&b, "<tr><td><a href=\"%s\">%s</a><td class=n>%d bytes\n",
			html.EscapeString(link.String()), html.EscapeString(path.Base(f.Name)), f.Size)
	}
	if len(w.list) > 0 {
		b.WriteString("</table>\n")
	}
	return w.add("index.html", []byte(b.String()))
}
