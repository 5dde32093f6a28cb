package conformance

import "encoding/json"

// Zone is the zone that the vectors are written for.
const Zone = "cluster.local."

// Features that a File may require of a set-up.
const (
	// FeatureDualStack: Services may have addresses of both families.
	FeatureDualStack = "dualstack"
	// FeatureEndpointSlices: the server under test reads EndpointSlices.
	FeatureEndpointSlices = "endpointslices"
	// FeatureDnsmasq: the server leaves names of one label and search paths to dnsmasq and
	// to clients.
	FeatureDnsmasq = "dnsmasq"
	// FeatureLean: the server runs without dnsmasq, with --direct and --autopath.
	FeatureLean = "lean"
)

// features lists all of them.
var features = []string{FeatureDualStack, FeatureEndpointSlices, FeatureDnsmasq, FeatureLean}

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

// A Step changes the set-up, in the order config, apply, delete, and sends queries after the server
// has seen the change.
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

// Expect is the expected reply. An absent key is not checked. testdata/README.md describes
// the keys.
type Expect struct {
	// Rcode is one name or several joined by |.
	Rcode  string  `json:"rcode,omitempty"`
	Answer Records `json:"answer,omitzero"`
	// Order of Answer and AnswerAnyOf: any (also when empty) or strict.
	Order              string          `json:"order,omitempty"`
	AnswerContains     Records         `json:"answer_contains,omitzero"`
	AnswerSubset       Records         `json:"answer_subset,omitzero"`
	AnswerAnyOf        []Records       `json:"answer_any_of,omitzero"`
	AnswerCount        *int            `json:"answer_count,omitempty"`
	AnswerMin          *int            `json:"answer_min,omitempty"`
	Authority          *Authority      `json:"authority,omitempty"`
	Additional         Records         `json:"additional,omitzero"`
	AdditionalContains Records         `json:"additional_contains,omitzero"`
	Flags              map[string]bool `json:"flags,omitempty"`
	OPT                *bool           `json:"opt,omitempty"`
	// OwnerCase exact: every owner in the answer section has the question's spelling.
	OwnerCase string `json:"owner_case,omitempty"`
	// MaxSize is the largest message in bytes.
	MaxSize int `json:"max_size,omitempty"`
	// NoReply: no reply arrives within the time limit.
	NoReply bool `json:"no_reply,omitempty"`
}

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

// Authority is the expected authority section: the zone's SOA record of a negative reply, or
// exactly these records.
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
