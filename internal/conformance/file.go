package conformance

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// Features that a File may require of a set-up.
const (
	// FeatureDualStack: Services may have addresses of both families.
	FeatureDualStack = "dualstack"
	// FeatureEndpointSlices: the server under test reads EndpointSlices.
	FeatureEndpointSlices = "endpointslices"
)

// A File is one topic: objects, questions and the replies they have to get.
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
}

// A Step changes the set-up, in the order config, apply, delete, and asks
// questions once the server has seen that.
type Step struct {
	Name   string   `json:"step"`
	Apply  []Object `json:"apply,omitempty"`
	Delete []Ref    `json:"delete,omitempty"`
	// Config holds the files of the configuration directory, by key. Nil: it
	// stays as it is. Empty: no files.
	Config  map[string]string `json:"config,omitempty"`
	Queries []Query           `json:"queries,omitempty"`
}

// A Query is a question and the reply it has to get.
type Query struct {
	// ID tells questions of the same name and type apart.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	Type string `json:"type"`
	// Class is IN (also when empty), CH or HS.
	Class string `json:"class,omitempty"`
	TCP   bool   `json:"tcp,omitempty"`
	// RD is the recursion desired bit; nil is true.
	RD   *bool `json:"rd,omitempty"`
	CD   bool  `json:"cd,omitempty"`
	EDNS *EDNS `json:"edns,omitempty"`

	Expect

	// Upstream says how the original kube-dns differs, Reason why, and
	// UpstreamExpect what it replies. They are remarks: nothing is checked.
	Upstream       string  `json:"upstream,omitempty"`
	Reason         string  `json:"reason,omitempty"`
	UpstreamExpect *Expect `json:"upstream_expect,omitempty"`
}

// EDNS is the OPT record of a question (RFC 6891).
type EDNS struct {
	// Size is the UDP payload size in bytes.
	Size    uint16 `json:"size,omitempty"`
	DO      bool   `json:"do,omitempty"`
	Version uint8  `json:"version,omitempty"`
}

//go:embed testdata/*.yaml
var vectors embed.FS

// Vectors returns the vectors of this package.
func Vectors() ([]File, error) {
	sub, err := fs.Sub(vectors, "testdata")
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

// Load reads all *.yaml files of a directory, in the order of their names.
func Load(fsys fs.FS) ([]File, error) {
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
		file, err := Parse(strings.TrimSuffix(path.Base(name), ".yaml"), data)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// Parse reads one file of vectors. Unknown and repeated keys, unknown types,
// classes and rcodes, and records that are none are errors: a vector that is
// misspelt would check less than it says.
func Parse(name string, data []byte) (File, error) {
	file := File{Name: name}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return File{}, fmt.Errorf("vectors %s: %w", name, err)
	}
	if err := file.validate(); err != nil {
		return File{}, fmt.Errorf("vectors %s: %w", name, err)
	}
	return file, nil
}

// AllSteps returns the steps of the file, the one made of its top-level keys
// first.
func (f File) AllSteps() []Step {
	start := Step{Name: "start", Apply: f.Objects, Config: f.Config, Queries: f.Queries}
	if start.Apply == nil && start.Config == nil && start.Queries == nil {
		return f.Steps
	}
	return append([]Step{start}, f.Steps...)
}

// Title names the question among those of its step: id, name and type.
func (q Query) Title() string {
	title := q.Name + "/" + q.Type
	if q.ID != "" {
		title = q.ID + "/" + title
	}
	return title
}

// Authority is what the authority section has to hold: the zone's SOA record
// as a negative reply has it, or these records and no others.
type Authority struct {
	SOA     bool
	Records []Record
}

// UnmarshalJSON reads the word soa or a list of records.
func (a *Authority) UnmarshalJSON(data []byte) error {
	var word string
	if err := json.Unmarshal(data, &word); err == nil {
		if word != "soa" {
			return fmt.Errorf("authority: %q is neither soa nor a list of records", word)
		}
		*a = Authority{SOA: true}
		return nil
	}
	*a = Authority{Records: []Record{}}
	return yaml.UnmarshalStrict(data, &a.Records)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (a Authority) MarshalJSON() ([]byte, error) {
	if a.SOA {
		return json.Marshal("soa")
	}
	return json.Marshal(a.Records)
}
