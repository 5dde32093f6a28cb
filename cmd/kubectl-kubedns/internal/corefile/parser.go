package corefile

import "strings"

// A parser parses expanded tokens.
type parser struct {
	tokens []token
	next   int
}

func (p *parser) peek() (token, bool) {
	if p.next >= len(p.tokens) {
		return token{}, false
	}
	return p.tokens[p.next], true
}

func (p *parser) file() (File, error) {
	var file File
	for {
		if _, ok := p.peek(); !ok {
			return file, nil
		}
		block, err := p.block()
		if err != nil {
			return File{}, err
		}
		file.Blocks = append(file.Blocks, block)
	}
}

// block parses "zone, zone zone { ... }".
func (p *parser) block() (Block, error) {
	start := p.tokens[p.next]
	b := Block{Place: start.place}
	continued := true // the first token, or one after a comma at the end of a line
	for {
		t, ok := p.peek()
		if !ok {
			return b, errorf(start.place, "%s: want { after the zones of a server block", start.text)
		}
		if t.text == "}" {
			return b, errorf(t.place, "this closing brace has no opening brace")
		}
		if t.first && !continued {
			return b, errorf(t.place, "%s: want { after the zones of a server block", t.text)
		}
		p.next++
		if t.text == "{" {
			break
		}
		continued = strings.HasSuffix(t.text, ",")
		for zone := range strings.SplitSeq(t.text, ",") {
			if zone != "" {
				b.Zones = append(b.Zones, zone)
			}
		}
	}
	if len(b.Zones) == 0 {
		return b, errorf(start.place, "this server block has no zone")
	}
	var err error
	b.Plugins, err = p.directives(p.tokens[p.next-1].place, 1)
	return b, err
}

// directives parses up to the brace that closes the one at open.
func (p *parser) directives(open Place, depth int) ([]Directive, error) {
	if depth > maxDepth {
		return nil, errorf(open, "braces are nested deeper than %d", maxDepth)
	}
	var list []Directive
	for {
		t, ok := p.peek()
		if !ok {
			return nil, errorf(open, "this brace is never closed")
		}
		p.next++
		switch t.text {
		case "}":
			return list, nil
		case "{":
			return nil, errorf(t.place, "want the name of a plugin or an option before {")
		}
		d, err := p.directive(t, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
}

// directive parses the rest of the line that starts with name, and the block that it opens.
func (p *parser) directive(name token, depth int) (Directive, error) {
	d := Directive{Name: name.text, Place: name.place}
	for {
		t, ok := p.peek()
		if !ok || t.first || t.text == "}" {
			return d, nil
		}
		p.next++
		if t.text == "{" {
			var err error
			d.Options, err = p.directives(t.place, depth+1)
			return d, err
		}
		d.Args = append(d.Args, t.text)
	}
}
