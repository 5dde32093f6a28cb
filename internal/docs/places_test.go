package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// place is a file or directory of the repository in a document, such as
// "`pkg/dns/service.go`".
var place = regexp.MustCompile(
	"`((?:pkg|cmd|internal|e2e|tools|manifests|charts|monitoring|docs|examples)/[a-z0-9_./-]+)`")

// TestPlaces checks that the files and directories in the pages for contributors exist.
func TestPlaces(t *testing.T) {
	for _, page := range []string{"docs/architecture.md", "CONTRIBUTING.md"} {
		places := place.FindAllStringSubmatch(read(t, filepath.Join(root, page)), -1)
		if len(places) == 0 {
			t.Errorf("%s: found no place: the search is broken", page)
		}
		for _, m := range places {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
