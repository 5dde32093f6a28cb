package conformance

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/miekg/dns"
	"sigs.k8s.io/yaml"
)

//go:embed testdata/*.yaml
var vectors embed.FS

// Vectors returns the vectors of this package, written for the zone.
func Vectors(zone string) ([]File, error) {
	sub, err := fs.Sub(vectors, "testdata")
	if err != nil {
		return nil, err
	}
	return Load(sub, zone)
}

// Load reads all *.yaml files of a directory, in the order of their names.
func Load(fsys fs.FS, zone string) ([]File, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read vectors: %w", err)
		}
		file, err := Parse(strings.TrimSuffix(path.Base(name), ".yaml"), data, zone)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// Parse reads one file of vectors. Unknown and repeated keys, unknown types, classes and
// rcodes, and malformed records are errors, since a misspelt vector would check too little.
//
// The file is written for Zone. With another zone its names are changed.
func Parse(name string, data []byte, zone string) (File, error) {
	zone = dns.Fqdn(zone)
	file := File{Name: name, Zone: zone}
	if zone != Zone {
		data = zoneName.ReplaceAllLiteral(data, []byte(strings.TrimSuffix(zone, ".")))
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return File{}, fmt.Errorf("vectors %s: %w", name, err)
	}
	if err := file.validate(); err != nil {
		return File{}, fmt.Errorf("vectors %s: %w", name, err)
	}
	return file, nil
}

var zoneName = regexp.MustCompile(`(?i)` + regexp.QuoteMeta(strings.TrimSuffix(Zone, ".")))
