package corefile

import (
	"fmt"
	"slices"
	"strings"
)

// Check returns what CoreDNS would refuse: plugins that are not known and zones given
// twice. It does not follow imports of files.
func Check(text string, plugins []string, port uint16) []string {
	blocks, err := scan(text)
	if err != nil {
		return []string{err.Error()}
	}
	var problems, taken []string
	for _, b := range blocks {
		for _, d := range b.directives {
			if name := d.name(); name != "import" && !slices.Contains(plugins, name) {
				problems = append(problems, fmt.Sprintf("line %d: there is no plugin %q; there are %q", d.line(), name, plugins))
			}
		}
		for _, zone := range zones([]block{b}, port) {
			zone += " " + bound(b)
			if slices.Contains(taken, zone) {
				problems = append(problems, fmt.Sprintf("line %d: zone %s is given twice", b.keys[0].line, zone))
			}
			taken = append(taken, zone)
		}
	}
	return problems
}

// bound returns the addresses that a block listens on: others may have the same zone.
func bound(b block) string {
	var words []string
	for _, d := range b.directives {
		if d.name() == "bind" {
			words = append(words, texts(d.words)...)
		}
	}
	return strings.Join(words, " ")
}
