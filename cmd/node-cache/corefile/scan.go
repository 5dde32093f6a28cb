package corefile

import (
	"errors"
	"fmt"
	"strings"
)

// A token is one word of a Corefile. Text has no quotes.
type token struct {
	text       string
	line       int // from 1
	start, end int // bytes of the text, with quotes
}

// tokenize splits text as CoreDNS does: at blanks, with quotes and comments.
func tokenize(text string) ([]token, error) {
	var tokens []token
	line := 1
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\n':
			line++
			i++
		case isBlank(c):
			i++
		case c == '#':
			i += lineLength(text[i:])
		case c == '"':
			t, err := quoted(text, i, line)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, t)
			line += strings.Count(text[i:t.end], "\n")
			i = t.end
		default:
			end := i
			for end < len(text) && text[end] != '\n' && !isBlank(text[end]) {
				end++
			}
			tokens = append(tokens, token{text: text[i:end], line: line, start: i, end: end})
			i = end
		}
	}
	return tokens, nil
}

// quoted returns the token that starts with the quote at start.
func quoted(text string, start, line int) (token, error) {
	var unquoted strings.Builder
	for i := start + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '"':
			unquoted.WriteByte('"')
			i++
		case text[i] == '"':
			return token{text: unquoted.String(), line: line, start: start, end: i + 1}, nil
		default:
			unquoted.WriteByte(text[i])
		}
	}
	return token{}, fmt.Errorf("line %d: a quote is not closed", line)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

func lineLength(text string) int {
	if n := strings.IndexByte(text, '\n'); n >= 0 {
		return n
	}
	return len(text)
}

// A directive is one line in braces, with the braces that follow it.
type directive struct {
	words []token
	body  []directive // in its own braces
	open  int         // index after its opening brace, 0 without braces
	end   int         // including the body
}

func (d directive) name() string { return d.words[0].text }
func (d directive) line() int    { return d.words[0].line }
func (d directive) start() int   { return d.words[0].start }

// option returns the words of an option, or nil.
func (d directive) option(name string) []token {
	for _, o := range d.body {
		if o.name() == name {
			return o.words
		}
	}
	return nil
}

// A block is a server block or a snippet.
type block struct {
	keys       []token
	directives []directive
	closing    int // index of its closing brace
}

func (b block) isSnippet() bool { return strings.HasPrefix(b.keys[0].text, "(") }

var errBraces = errors.New("a brace is not closed, or not opened")

// scan returns the blocks of a Corefile. It does not follow imports.
func scan(text string) ([]block, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	var blocks []block
	for len(tokens) > 0 {
		if tokens[0].text == "import" {
			tokens = tokens[len(firstLine(tokens)):]
			continue
		}
		keys := 0
		for keys < len(tokens) && !isBrace(text, tokens[keys], '{') {
			keys++
		}
		if keys == 0 || keys == len(tokens) {
			return nil, errBraces
		}
		b := block{keys: tokens[:keys]}
		b.directives, tokens, err = scanBody(text, tokens[keys+1:])
		if err != nil {
			return nil, err
		}
		b.closing = tokens[0].start
		tokens = tokens[1:]
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// scanBody returns the directives up to a closing brace, and the remaining tokens, with the brace.
func scanBody(text string, tokens []token) ([]directive, []token, error) {
	var directives []directive
	for len(tokens) > 0 && !isBrace(text, tokens[0], '}') {
		words := firstLine(tokens)
		tokens = tokens[len(words):]
		d := directive{words: words}
		if last := len(words) - 1; isBrace(text, words[last], '{') {
			if last == 0 {
				return nil, nil, errBraces
			}
			d.words, d.open = words[:last], words[last].end
			var err error
			if d.body, tokens, err = scanBody(text, tokens); err != nil {
				return nil, nil, err
			}
			d.end = tokens[0].end
			tokens = tokens[1:]
		} else {
			d.end = words[last].end
		}
		directives = append(directives, d)
	}
	if len(tokens) == 0 {
		return nil, nil, errBraces
	}
	return directives, tokens, nil
}

// firstLine returns the tokens of the first line. tokens is not empty.
func firstLine(tokens []token) []token {
	n := 1
	for n < len(tokens) && tokens[n].line == tokens[0].line {
		n++
	}
	return tokens[:n]
}

// isBrace reports whether t is a brace without quotes.
func isBrace(text string, t token, brace byte) bool {
	return t.end == t.start+1 && text[t.start] == brace
}
