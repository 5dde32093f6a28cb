package corefile

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Check returns the reasons for CoreDNS to refuse a Corefile: unknown plugins and duplicate zones.
// It does not follow imports of files.
func Check(text string, plugins []string, port uint16) []string {
	blocks, err := scan(text)
	if err != nil {
		return []string{err.Error()}
	}
	var problems, taken []string
	for _, b := range blocks {
		for _, d := range b.directives {
			if name := d.name(); name != "import" && !slices.Contains(plugins, name) {
				problems = append(problems, fmt.Sprintf("line %d: there is no plugin %q; -plugins lists the "+
					"available ones", d.line(), name))
			}
		}
		for _, zone := range zones([]block{b}, port) {
			zone += " " + boundTo(b)
			if slices.Contains(taken, zone) {
				problems = append(problems, fmt.Sprintf("line %d: zone %s is given twice", b.keys[0].line, zone))
			}
			taken = append(taken, zone)
		}
	}
	return problems
}

// known are the placeholders that Render replaces.
var known = []string{localDNS, clusterDNS, upstreams, prometheus}

// placeholder is a word that an installer or node-cache replaces.
var placeholder = regexp.MustCompile(`__P[A-Z]+__[A-Z_]*[A-Z]__`)

// Placeholders returns the problems of a template: placeholders that are not replaced.
func Placeholders(template string) []string {
	tokens, err := tokenize(template)
	if err != nil {
		return nil // Check reports it
	}
	var problems []string
	for _, t := range tokens {
		for _, name := range placeholder.FindAllString(t.text, -1) {
			if !slices.Contains(known, name) {
				problems = append(problems, fmt.Sprintf("line %d: there is no placeholder %s; write one of %s",
					t.line, name, strings.Join(known, " ")))
			}
		}
	}
	return problems
}

// Lines returns the lines of a Corefile with the directive of a plugin.
func Lines(text, plugin string) string {
	blocks, _ := scan(text)
	var lines []string
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name() == plugin {
				lines = append(lines, strconv.Itoa(d.line()))
			}
		}
	}
	return strings.Join(lines, " or ")
}

// boundTo returns the listen addresses of a block: other blocks can have the same zone.
func boundTo(b block) string {
	var words []string
	for _, d := range b.directives {
		if d.name() == "bind" {
			words = append(words, texts(d.words)...)
		}
	}
	return strings.Join(words, " ")
}
