package layout

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	maxMembers = 20 // methods, and fields, of one type
	// A type that needs more has the reason in its comment, with these words.
	membersReason = "more than 20"
)

// checkCircles finds files that use each other's functions, methods, types or
// variables in a circle. Without circles the files of a package have an order in
// which they can be read. Fields do not count: a type may be used where it is filled.
func checkCircles(p pkg) []string {
	var problems []string
	for _, circle := range circles(fileUses(p)) {
		problems = append(problems, fmt.Sprintf("%s use each other in a circle: move what both need to the lower file",
			strings.Join(circle, ", ")))
	}
	return problems
}

// fileUses returns, for each file of p, the files with declarations that it uses.
func fileUses(p pkg) map[string][]string {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	// Other packages are not loaded: the names of this one are enough.
	conf := types.Config{Importer: nothing{}, Error: func(error) {}, FakeImportC: true}
	checked, _ := conf.Check(p.path, p.fset, p.trees, info) // the errors are those of the missing packages
	name := func(pos token.Pos) string { return filepath.Base(p.fset.Position(pos).Filename) }
	uses := make(map[string][]string)
	for _, tree := range p.trees {
		uses[name(tree.Pos())] = nil
	}
	for id, object := range info.Uses {
		if object.Pkg() != checked || !declared(object) {
			continue
		}
		from, to := name(id.Pos()), name(object.Pos())
		if from != to && !slices.Contains(uses[from], to) {
			uses[from] = append(uses[from], to)
		}
	}
	return uses
}

// declared reports whether object is declared in a file's block, or is a method.
func declared(object types.Object) bool {
	if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil {
		return true
	}
	return object.Parent() == object.Pkg().Scope()
}

// nothing imports no package.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not loaded") }

// circles returns the groups of files that can be reached from each other, each
// group once and sorted.
func circles(uses map[string][]string) [][]string {
	reached := make(map[string]map[string]bool)
	for from := range uses {
		reached[from] = make(map[string]bool)
		for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
			for _, to := range uses[queue[0]] {
				if !reached[from][to] {
					reached[from][to] = true
					queue = append(queue, to)
				}
			}
		}
	}
	var found [][]string
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		var group []string
		for other := range reached[name] {
			if reached[other][name] {
				group = append(group, other)
			}
		}
		slices.Sort(group)
		if len(group) > 1 && group[0] == name {
			found = append(found, group)
		}
	}
	return found
}

// checkMembers finds types with more methods or fields than a reader can remember.
func checkMembers(p pkg) []string {
	methods := make(map[string]int)
	structs := make(map[string]*ast.StructType)
	reasons := make(map[string]bool)
	for _, tree := range p.trees {
		for _, decl := range tree.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				methods[receiver(decl)]++
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						structs[spec.Name.Name], _ = spec.Type.(*ast.StructType)
						reasons[spec.Name.Name] = strings.Contains(decl.Doc.Text()+spec.Doc.Text(), membersReason)
					}
				}
			}
		}
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		if reasons[name] {
			continue
		}
		if n := methods[name]; n > maxMembers {
			problems = append(problems, fmt.Sprintf("type %s has %d methods, %d are allowed: split it", name, n, maxMembers))
		}
		if s := structs[name]; s != nil && s.Fields.NumFields() > maxMembers {
			problems = append(problems, fmt.Sprintf("type %s has %d fields, %d are allowed: split it", name,
				s.Fields.NumFields(), maxMembers))
		}
	}
	return problems
}

// receiver returns the name of the type that f is a method of, or "".
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	expr := f.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

func TestCircles(t *testing.T) {
	sources := map[string]string{
		"a.go": "package x\nimport \"net\"\nfunc a(c net.Conn) { b(); var t typ; t.low() }",
		"b.go": "package x\nfunc b() { c() }",
		"c.go": "package x\nfunc c() { b() }\ntype typ struct{ field int }",
		"d.go": "package x\nfunc (t typ) low() { t.field++ }",
	}
	p := pkg{path: "x", fset: token.NewFileSet()}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if err := p.parse(name, []byte(sources[name]), true); err != nil {
			t.Fatal(err)
		}
	}
	got := checkCircles(p)
	if len(got) != 1 || !strings.HasPrefix(got[0], "b.go, c.go use each other") {
		t.Errorf("checkCircles: got %q, want one circle of b.go and c.go", got)
	}
	if uses := fileUses(p); !slices.Contains(uses["a.go"], "d.go") {
		t.Errorf("fileUses: got %q for a.go, want d.go among them: a method is used", uses["a.go"])
	}
}
