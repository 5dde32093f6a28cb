package layout

import (
	"fmt"
	"slices"
	"strings"
)

// A rule finds the problems of a package. A problem starts with the file, if there is one.
type rule struct {
	name  string
	check func(pkg) []string
}

var rules = []rule{
	{"import direction", checkDirection},
	{"standard library only", checkStdOnly},
	{"imports kept to a place", checkKept},
	{"pure packages", checkPure},
	{"what commands link", checkLinked},
	{"process ended in main.go only", checkExits},
	{"package names", checkName},
	{"package comments", checkDoc},
	{"file length", checkLength},
	{"circles between files", checkCircles},
	{"methods and fields", checkMembers},
}

func checkDirection(p pkg) []string {
	allowed, ok := mayImport[p.path]
	if !ok {
		return []string{"this package has no place: add it to mayImport in internal/layout/rules_test.go, with the " +
			"packages it may import"}
	}
	var problems []string
	for _, f := range p.files {
		for _, path := range f.imports {
			ours, ok := strings.CutPrefix(path, module+"/")
			if ok && !slices.Contains(allowed, ours) {
				problems = append(problems, fmt.Sprintf("%s imports %s: allowed are [%s]", f.name, ours,
					strings.Join(allowed, " ")))
			}
		}
	}
	return problems
}

func checkStdOnly(p pkg) []string {
	if !slices.Contains(stdOnly, p.path) {
		return nil
	}
	var problems []string
	for _, f := range p.files {
		for _, path := range f.imports {
			own := slices.Contains(stdOnly, strings.TrimPrefix(path, module+"/"))
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") && !own {
				problems = append(problems, fmt.Sprintf("%s imports %s: this package imports only the standard library", f.name,
					path))
			}
		}
	}
	return problems
}

func checkKept(p pkg) []string {
	var problems []string
	for _, k := range kept {
		inPlace := matches(k.in, p.path)
		for _, f := range p.files {
			if k.files == nil && inPlace {
				continue
			}
			if k.files != nil && (!inPlace || slices.Contains(k.files, f.name)) {
				continue
			}
			for _, path := range f.imports {
				if matches(k.imports, path) {
					problems = append(problems, fmt.Sprintf("%s imports %s: only in [%s]: %s",
						f.name, path, strings.Join(append(slices.Clone(k.in), k.files...), " "), k.why))
				}
			}
		}
	}
	return problems
}

func checkPure(p pkg) []string {
	var problems []string
	for _, rule := range pure {
		if !matches(rule.in, p.path) {
			continue
		}
		for _, f := range p.files {
			for _, path := range f.imports {
				if slices.Contains(rule.imports, path) {
					problems = append(problems, fmt.Sprintf("%s imports %s: this package has no sockets, files or logs", f.name, path))
				}
			}
		}
		for _, path := range p.deps {
			if matches(rule.deps, path) {
				problems = append(problems, fmt.Sprintf("links %s: this package has no sockets (`go list -deps` shows the way)",
					path))
			}
		}
	}
	return problems
}

func checkLinked(p pkg) []string {
	var problems []string
	for _, rule := range notLinked {
		if !slices.Contains(rule.commands, p.path) {
			continue
		}
		for _, path := range p.deps {
			if matches(rule.deps, path) {
				problems = append(problems, fmt.Sprintf("links %s: %s (`go list -deps` shows the way)", path, rule.why))
			}
		}
	}
	return problems
}

func checkExits(p pkg) []string {
	var problems []string
	for _, f := range p.files {
		if f.name == "main.go" {
			continue
		}
		for _, exit := range f.exits {
			problems = append(problems, fmt.Sprintf("%s: %s: return an error to main instead", f.name, exit))
		}
	}
	return problems
}

func checkName(p pkg) []string {
	for _, name := range append(strings.Split(p.path, "/"), p.name) {
		if slices.Contains(badNames, name) {
			return []string{fmt.Sprintf("the name %q says nothing: put each function where its noun lives", name)}
		}
	}
	return nil
}

func checkDoc(p pkg) []string {
	if p.doc == "" {
		return []string{"there is no package comment: say in doc.go, or in main.go for a command, what it is for"}
	}
	return nil
}

func checkLength(p pkg) []string {
	var problems []string
	for _, f := range p.files {
		if f.lines > maxLines {
			problems = append(problems, fmt.Sprintf("%s has %d lines, more than %d: split it by noun", f.name, f.lines,
				maxLines))
		}
	}
	return problems
}

// matches reports whether path matches one of patterns; "a/..." matches a and everything below it.
func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		top, below := strings.CutSuffix(pattern, "/...")
		return path == top || below && strings.HasPrefix(path, top+"/")
	})
}
