// Package corefile reads a CoreDNS configuration without running it.
//
// CoreDNS's own parser opens the files that import names and expands variables of its own process.
// This package reads neither the disk nor the environment: the caller passes both, from the
// Deployment.
package corefile

import (
	"fmt"
	"strings"
)

// A Source is a Corefile with the files and variables that it can refer to.
type Source struct {
	// Path is the path of the Corefile in CoreDNS's container, such as /etc/coredns/Corefile.
	// Relative imports start in its folder.
	Path string
	Text string
	// Env has the variables of the container with a plain value.
	Env map[string]string
	// Files are the other files of the container by absolute path, from the keys of the mounted
	// ConfigMaps.
	Files map[string]string
}

// A File is a Corefile with all imports expanded.
type File struct {
	Blocks []Block
}

// A Block is a server block.
type Block struct {
	// Zones are as written, such as "." or "example.com:53".
	Zones []string
	Place Place
	// Plugins are in the order of the file. CoreDNS runs them in its own order.
	Plugins []Directive
}

// A Directive is a plugin, or an option of a plugin.
type Directive struct {
	Name    string
	Args    []string
	Place   Place
	Options []Directive
}

// String returns the directive on one line, its options in braces.
func (d Directive) String() string {
	parts := append([]string{d.Name}, quoted(d.Args)...)
	if len(d.Options) > 0 {
		options := make([]string, 0, len(d.Options))
		for _, o := range d.Options {
			options = append(options, o.String())
		}
		parts = append(parts, "{ "+strings.Join(options, "; ")+" }")
	}
	return strings.Join(parts, " ")
}

// quoted puts quotes around arguments with blanks.
func quoted(args []string) []string {
	out := make([]string, 0, len(args))
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n\"") {
			arg = `"` + strings.ReplaceAll(arg, `"`, `\"`) + `"`
		}
		out = append(out, arg)
	}
	return out
}

// A Place is a line of a file.
type Place struct {
	File string
	Line int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// An Error is the error of an invalid Corefile.
type Error struct {
	Place  Place
	Reason string
}

func (e *Error) Error() string { return e.Place.String() + ": " + e.Reason }

func errorf(at Place, format string, args ...any) error {
	return &Error{at, fmt.Sprintf(format, args...)}
}

// Read reads a Corefile. Each error is an *Error.
func Read(src Source) (File, error) {
	l := lexer{src: src, snippets: map[string][]token{}}
	tokens, err := l.expand(lex(src.Path, src.Text), nil)
	if err != nil {
		return File{}, err
	}
	p := parser{tokens: tokens}
	file, err := p.file()
	if err != nil {
		return File{}, err
	}
	if len(file.Blocks) == 0 {
		return File{}, errorf(Place{src.Path, 1}, "there is no server block")
	}
	return file, nil
}
