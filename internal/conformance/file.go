package conformance

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/miekg/dns"
	"sigs.k8s.io/yaml"
)

// Features that a File may require of a set-up.
const (
	// FeatureDualStack: Services may have addresses of both families.
	FeatureDualStack = "dualstack"
	// FeatureEndpointSlices: the server under test reads EndpointSlices.
	FeatureEndpointSlices = "endpointslices"
)

// A File is one topic: objects, questions and their expected replies.
type File struct {
	// Name is the file's name without directory and ending.
	Name        string       `json:"-"`
	Description string       `json:"description,omitempty"`
	Requires    []string     `json:"requires,omitempty"`
	Resolver    ResolverData `json:"resolver,omitzero"`
	// Objects, Config and Queries are a first step named "start"; see
	// AllSteps.
	Objects []Object          `json:"objects,omitempty"`
	Config  map[string]string `json:"config,omitempty"`
	Queries []Query           `json:"queries,omitempty"`
	Steps   []Step            `json:"steps,omitempty"`

	// Zone has a final dot. Empty is cluster.local.
	Zone string `json:"-"`
}

// A Step changes the set-up, in the order config, apply, delete, and asks questions when
// the server has seen the change.
type Step struct {
	Name   string   `json:"step"`
	Apply  []Object `json:"apply,omitempty"`
	Delete []Ref    `json:"delete,omitempty"`
	// Config has the files of the configuration directory, by key. Nil leaves them
	// unchanged; empty means no files.
	Config  map[string]string `json:"config,omitempty"`
	Queries []Query           `json:"queries,omitempty"`
}

// A Query is a question and its expected reply.
type Query struct {
	// ID distinguishes questions of the same name and type.
	ID       string   `json:"id,omitempty"`
	Question Question `json:"query"`

	Expect

	// Upstream, Reason and UpstreamExpect are remarks on the replies of upstream kube-dns:
	// how they differ, why, and the reply itself. Nothing checks them.
	Upstream       string  `json:"upstream,omitempty"`
	Reason         string  `json:"reason,omitempty"`
	UpstreamExpect *Expect `json:"upstream_expect,omitempty"`

	// Zone is that of the File. It is set when the macros have been replaced.
	Zone string `json:"-"`
}

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

// AllSteps returns the steps of the file. The first has the top-level keys.
func (f File) AllSteps() []Step {
	start := Step{Name: "start", Apply: f.Objects, Config: f.Config, Queries: f.Queries}
	if start.Apply == nil && start.Config == nil && start.Queries == nil {
		return f.Steps
	}
	return append([]Step{start}, f.Steps...)
}

// Title returns the name of the subtest: id, name and type.
func (q Query) Title() string {
	title := q.Question.Name + "/" + q.Question.Type
	if q.ID != "" {
		title = q.ID + "/" + title
	}
	return title
}

// Authority is the expected authority section: the zone's SOA record of a negative reply,
// or these records and no others.
type Authority struct {
	SOA     bool
	Records Records
}

// UnmarshalJSON reads the word soa or records.
func (a *Authority) UnmarshalJSON(data []byte) error {
	if string(data) == `"soa"` {
		*a = Authority{SOA: true}
		return nil
	}
	*a = Authority{}
	return a.Records.UnmarshalJSON(data)
}

// MarshalJSON returns the form that UnmarshalJSON reads.
func (a Authority) MarshalJSON() ([]byte, error) {
	if a.SOA {
		return json.Marshal("soa")
	}
	return json.Marshal(a.Records)
}
