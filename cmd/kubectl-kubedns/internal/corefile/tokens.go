package corefile

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/coredns/caddy/caddyfile"
)

const (
	// maxTokens limits the tokens of nested imports.
	maxTokens = 200_000
	maxDepth  = 16
)

// A token is a word of a Corefile.
type token struct {
	text  string
	place Place
	first bool // of its line
}

func lex(file, text string) []token {
	var tokens []token
	end := 0 // last line of the previous token
	d := caddyfile.NewDispenser(file, strings.NewReader(text))
	for d.Next() {
		t := token{text: d.Val(), place: Place{file, d.Line()}, first: d.Line() > end}
		end = d.Line() + strings.Count(t.text, "\n")
		tokens = append(tokens, t)
	}
	return tokens
}

// A lexer expands snippets, imports and variables.
type lexer struct {
	src      Source
	snippets map[string][]token
	total    int
}

// expand returns tokens without snippets and imports. within are the enclosing imports.
func (l *lexer) expand(tokens []token, within []string) ([]token, error) {
	if l.total += len(tokens); l.total > maxTokens {
		return nil, errorf(tokens[0].place, "imports make more than %d words", maxTokens)
	}
	var out []token
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case depth == 0 && t.first && snippetName(t.text) != "" && i+1 < len(tokens) && tokens[i+1].text == "{":
			end, err := closing(tokens, i+1)
			if err != nil {
				return nil, err
			}
			l.snippets[snippetName(t.text)] = tokens[i+2 : end]
			i = end
		case t.first && t.text == "import":
			args := lineOf(tokens[i+1:])
			if len(args) != 1 {
				return nil, errorf(t.place, "import needs one name: a snippet or a file")
			}
			imported, err := l.load(args[0], within)
			if err != nil {
				return nil, err
			}
			out = append(out, imported...)
			i++
		default:
			text, err := l.variables(t)
			if err != nil {
				return nil, err
			}
			t.text = text
			depth += nesting(t.text)
			out = append(out, t)
		}
	}
	return out, nil
}

func nesting(text string) int {
	switch text {
	case "{":
		return 1
	case "}":
		return -1
	}
	return 0
}

// snippetName returns the name in "(name)", or "".
func snippetName(text string) string {
	if len(text) > 2 && text[0] == '(' && text[len(text)-1] == ')' {
		return text[1 : len(text)-1]
	}
	return ""
}

// closing returns the index of the brace that closes the one at open.
func closing(tokens []token, open int) (int, error) {
	depth := 0
	for i := open; i < len(tokens); i++ {
		if depth += nesting(tokens[i].text); depth == 0 {
			return i, nil
		}
	}
	return 0, errorf(tokens[open].place, "this brace is never closed")
}

// lineOf returns the tokens up to the end of the line.
func lineOf(tokens []token) []token {
	for i, t := range tokens {
		if t.first {
			return tokens[:i]
		}
	}
	return tokens
}

// load returns the tokens that replace "import name".
func (l *lexer) load(name token, within []string) ([]token, error) {
	text, err := l.variables(name)
	if err != nil {
		return nil, err
	}
	if slices.Contains(within, text) || len(within) >= maxDepth {
		return nil, errorf(name.place, "import %s: it imports itself", text)
	}
	within = append(slices.Clone(within), text)
	if snippet, ok := l.snippets[text]; ok {
		return l.expand(snippet, within)
	}
	pattern := text
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(l.src.Path), pattern)
	}
	var out []token
	found := false
	for _, file := range slices.Sorted(maps.Keys(l.src.Files)) {
		match, err := path.Match(pattern, file)
		if err != nil {
			return nil, errorf(name.place, "import %s: this pattern is malformed", text)
		}
		if !match {
			continue
		}
		found = true
		tokens, err := l.expand(lex(file, l.src.Files[file]), within)
		if err != nil {
			return nil, err
		}
		out = append(out, tokens...)
	}
	// A pattern without a matching file imports nothing, as in CoreDNS.
	if !found && !strings.ContainsAny(text, "*?[") {
		return nil, errorf(name.place, "import %s: there is no such snippet, and no ConfigMap of the Deployment has "+
			"%s%s", text, pattern, tried(l.src.Files))
	}
	return out, nil
}

// tried lists the files that an import can name.
func tried(files map[string]string) string {
	if len(files) == 0 {
		return "; no other file is mounted"
	}
	return "; mounted are " + strings.Join(slices.Sorted(maps.Keys(files)), ", ")
}

// variables expands {$NAME} and {%NAME%}.
func (l *lexer) variables(t token) (string, error) {
	text := t.text
	for _, form := range []struct{ open, end string }{{"{$", "}"}, {"{%", "%}"}} {
		var b strings.Builder
		for {
			before, rest, ok := strings.Cut(text, form.open)
			b.WriteString(before)
			if !ok {
				break
			}
			name, after, ok := strings.Cut(rest, form.end)
			if !ok {
				b.WriteString(form.open + rest)
				break
			}
			value, ok := l.src.Env[name]
			if !ok {
				return "", errorf(t.place, "%s%s%s: the container has no plain value for the variable %q in its env",
					form.open, name, form.end, name)
			}
			b.WriteString(value)
			text = after
		}
		text = b.String()
	}
	return text, nil
}
