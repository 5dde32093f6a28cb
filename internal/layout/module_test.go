package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kube-dns/kube-dns"

// A pkg is a package of this module without its test files.
type pkg struct {
	path  string // within the module, such as "pkg/dns"
	name  string
	doc   string // first sentence of the package comment
	files []file
	deps  []string // import paths of everything it links

	fset  *token.FileSet
	trees []*ast.File // the files that are built on this system
}

// A file is one Go file, for any system.
type file struct {
	name    string
	lines   int
	imports []string // import paths
	exits   []string // where it ends the process, such as "os.Exit (line 12)"
}

// load reads the packages of this module with the go command.
func load(t *testing.T) []pkg {
	t.Helper()
	openFolders(t, "../..")
	list := exec.CommandContext(t.Context(), "go", "list",
		"-json=Dir,ImportPath,Name,Doc,GoFiles,CgoFiles,IgnoredGoFiles,Deps", module+"/...")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	pkgs, err := decode(out)
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// openFolders opens each folder below root. The go command caches the result of a test until a file
// or folder changes that the test itself has opened. It would not notice a new package.
func openFolders(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// decode reads the output of go list and the files it names.
func decode(out []byte) ([]pkg, error) {
	var pkgs []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			Dir, ImportPath, Name, Doc        string
			GoFiles, CgoFiles, IgnoredGoFiles []string
			Deps                              []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the output of go list: %w", err)
		}
		p := pkg{
			path: strings.TrimPrefix(listed.ImportPath, module+"/"),
			name: listed.Name, doc: listed.Doc, deps: listed.Deps, fset: token.NewFileSet(),
		}
		for _, name := range slices.Concat(listed.GoFiles, listed.CgoFiles, listed.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			src, err := os.ReadFile(filepath.Join(listed.Dir, name))
			if err != nil {
				return nil, err
			}
			if err := p.parse(name, src, !slices.Contains(listed.IgnoredGoFiles, name)); err != nil {
				return nil, err
			}
		}
		if len(p.files) > 0 {
			pkgs = append(pkgs, p)
		}
	}
}

// parse adds a file to p. built reports whether it is built on this system.
func (p *pkg) parse(name string, src []byte, built bool) error {
	tree, err := parser.ParseFile(p.fset, name, src, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return err
	}
	if built {
		p.trees = append(p.trees, tree)
	}
	f := file{name: name, lines: bytes.Count(src, []byte("\n"))}
	for _, spec := range tree.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		f.imports = append(f.imports, path)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && endsProcess(sel) {
			f.exits = append(f.exits, fmt.Sprintf("%s.%s (line %d)", sel.X, sel.Sel, p.fset.Position(sel.Pos()).Line))
		}
		return true
	})
	p.files = append(p.files, f)
	return nil
}

// endsProcess reports whether sel is a function such as os.Exit or log.Fatal.
func endsProcess(sel *ast.SelectorExpr) bool {
	from, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch from.Name {
	case "os", "syscall", "unix":
		return sel.Sel.Name == "Exit"
	case "log", "klog":
		return strings.HasPrefix(sel.Sel.Name, "Fatal") || strings.HasPrefix(sel.Sel.Name, "Exit")
	default:
		return false
	}
}
