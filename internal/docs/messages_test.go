package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A message is one call that logs a warning or an error.
type message struct {
	at   string // file and line
	text string // empty when it is not a constant
	bad  []string
}

// TestMessages: the page for operators lists every warning and error of the commands, and each is a
// phrase with the usual keys.
func TestMessages(t *testing.T) {
	var listed []string
	for _, m := range logLine.FindAllStringSubmatch(read(t, root+"/docs/operations.md"), -1) {
		listed = append(listed, m[1])
	}
	found := messages(t)
	if len(found) < 30 {
		t.Fatalf("found %d calls that log, want at least 30: the search is broken", len(found))
	}
	for _, m := range found {
		for _, problem := range m.bad {
			t.Errorf("%s: %s", m.at, problem)
		}
		if m.text == "" {
			t.Errorf("%s: the message is not a constant string", m.at)
		} else if !slices.ContainsFunc(listed, func(s string) bool { return strings.HasPrefix(m.text, s) && len(s) > 10 }) {
			t.Errorf("%s: docs/operations.md does not list %q", m.at, m.text)
		}
	}
}

// messages reads the calls of Warn and Error on a logger in the packages of the commands.
func messages(t *testing.T) []message {
	t.Helper()
	var found []message
	for _, dir := range []string{"cmd", "pkg", "internal/cli", "internal/httpd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			tree, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && logs(call) {
					m := inspect(call)
					m.at = fmt.Sprint(fset.Position(call.Pos()))
					found = append(found, m)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// logs reports whether call is a warning or an error of a logger.
func logs(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 || method.Sel.Name != "Warn" && method.Sel.Name != "Error" {
		return false
	}
	switch on := method.X.(type) {
	case *ast.Ident:
		return strings.EqualFold(on.Name, "log")
	case *ast.SelectorExpr:
		return strings.EqualFold(on.Sel.Name, "log")
	default:
		return false
	}
}

// inspect reads the message of a call and returns its problems.
func inspect(call *ast.CallExpr) message {
	m := message{text: constant(call.Args[0])}
	if m.text != "" && !strings.Contains(m.text, " ") {
		m.bad = append(m.bad, fmt.Sprintf("%q is no phrase", m.text))
	}
	for i := 1; i+1 < len(call.Args); i += 2 {
		key := constant(call.Args[i])
		if key == "error" || key == "reason" {
			m.bad = append(m.bad, fmt.Sprintf("the key %q: an error has the key err, a kind of error the key class", key))
		}
		if isError(call.Args[i+1]) && key != "err" {
			m.bad = append(m.bad, fmt.Sprintf("the key %q of an error: want err", key))
		}
	}
	return m
}

// isError reports whether a value has the name of an error.
func isError(value ast.Expr) bool {
	switch value := value.(type) {
	case *ast.Ident:
		return value.Name == "err"
	case *ast.SelectorExpr:
		return value.Sel.Name == "err" || value.Sel.Name == "Err"
	default:
		return false
	}
}

// constant returns the value of a string literal, or of a sum of some, else "".
func constant(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(expr.Value)
		if err != nil {
			return ""
		}
		return text
	case *ast.BinaryExpr:
		left, right := constant(expr.X), constant(expr.Y)
		if left == "" || right == "" {
			return ""
		}
		return left + right
	default:
		return ""
	}
}
