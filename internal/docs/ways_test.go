package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wayRow is a row of a table of docs/architecture.md with a package in the first column and a
// function in the second, such as "| `pkg/skydns` | `responder.respond` | … |".
var wayRow = regexp.MustCompile("(?m)^\\| `((?:pkg|internal|cmd)/[^`]+)` \\| `([^`]+)` \\|")

// TestWays: the functions in the tables of architecture.md exist, and there are as many rows as a
// reader follows.
func TestWays(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	functions := make(map[string]map[string]bool) // by package
	for section := range strings.SplitSeq(string(page), "\n#") {
		rows := wayRow.FindAllStringSubmatch(section, -1)
		if len(rows) > 25 {
			title, _, _ := strings.Cut(section, "\n")
			t.Errorf("section %q: got %d functions, want at most 25", title, len(rows))
		}
		for _, row := range rows {
			if functions[row[1]] == nil {
				functions[row[1]] = functionsOf(t, filepath.Join(root, row[1]))
			}
			if !functions[row[1]][row[2]] {
				t.Errorf("docs/architecture.md: %s has no function %s", row[1], row[2])
			}
		}
	}
	if len(functions) == 0 {
		t.Error("docs/architecture.md: no table of functions")
	}
}

// functionsOf returns the functions of a package, and its methods after their type.
func functionsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files (%v)", dir, err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := f.Name.Name
			if f.Recv != nil {
				name = typeName(f.Recv.List[0].Type) + "." + name
			}
			names[name] = true
		}
	}
	return names
}

func typeName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
