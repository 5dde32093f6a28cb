package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// A Suite plays files against one Target.
type Suite struct {
	Target Target
	// Resolver is {resolver} in the Files.
	Resolver *Resolver
	// Endpoints is the form in which Endpoints objects reach the Target.
	Endpoints EndpointsMode
	// Features are the features of the set-up. A File that requires another one is skipped.
	Features []string
	// Skip, if not nil, returns a reason to skip a question, or "".
	Skip func(File, Result) string
	// Patience is the time after a step in which a question with a wrong reply is repeated; 0 is 5
	// seconds.
	Patience time.Duration

	configured map[string]string // of the Target; nil: unknown
}

// Pauses of a Suite.
const (
	defaultPatience = 5 * time.Second
	askAgain        = 50 * time.Millisecond
	cleanupTimeout  = 30 * time.Second
)

// A Result is the outcome of one question, or of a set-up that failed or was skipped.
type Result struct {
	Step  string
	Query *Query // nil: the set-up of the step
	// Skip is the reason for a skip and Failure a report for people; both are empty if the
	// reply was right.
	Skip, Failure string
}

// Title returns step, id, name and type.
func (r Result) Title() string {
	if r.Query == nil {
		return r.Step
	}
	return r.Step + "/" + r.Query.Title()
}

// ErrUnsupported is the error of a Target that cannot make the change of a step. The rest of the
// file is skipped.
var ErrUnsupported = errors.New("not supported")

// Run runs the files one after the other, each as a subtest with a subtest for each question.
func (s *Suite) Run(t *testing.T, files []File) {
	for _, file := range files {
		t.Run(file.Name, func(t *testing.T) {
			if reason := s.Missing(file); reason != "" {
				t.Skip(reason)
			}
			s.Play(t.Context(), file, func(r Result) {
				t.Run(r.Title(), func(t *testing.T) {
					switch {
					case r.Skip != "":
						t.Skip(r.Skip)
					case r.Failure != "":
						t.Error(r.Failure)
					}
				})
			})
		})
	}
}

// Missing returns the reason why the set-up cannot run a file, or "".
func (s *Suite) Missing(file File) string {
	for _, feature := range file.Requires {
		if !slices.Contains(s.Features, feature) {
			return "requires " + feature
		}
	}
	return ""
}

// Play runs a file and reports each question. After that the objects of the file are
// deleted and the default configuration is restored.
func (s *Suite) Play(ctx context.Context, file File, report func(Result)) {
	p := &play{
		suite:      s,
		file:       file,
		names:      names{resolver: s.Resolver.Addr(), given: map[netip.Addr]netip.Addr{}, zone: file.Zone},
		translator: newTranslator(s.Endpoints, file),
		applied:    map[Ref]bool{},
		report:     report,
	}
	if err := s.Resolver.Set(file.Resolver); err != nil {
		p.reportSetUp("resolver", err)
		return
	}
	p.steps(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := p.clean(ctx); err != nil && !errors.Is(err, ErrUnsupported) {
		p.reportSetUp("clean up", err)
	}
}

// defaultConfig is the configuration of a File that does not set its own.
func defaultConfig() map[string]string {
	return map[string]string{"upstreamNameservers": `["{resolver}"]`}
}

// A play is one File being played.
type play struct {
	suite      *Suite
	file       File
	names      names
	translator *translator
	applied    map[Ref]bool
	report     func(Result)
}

func (p *play) steps(ctx context.Context) {
	var unsupported error
	for i, step := range p.file.AllSteps() {
		if i == 0 && step.Config == nil {
			step.Config = defaultConfig()
		}
		if unsupported == nil {
			err := p.setUp(ctx, step)
			if err != nil && !errors.Is(err, ErrUnsupported) {
				p.reportSetUp(step.Name, err)
				return
			}
			unsupported = err
		}
		if unsupported != nil {
			for _, q := range step.Queries {
				p.report(Result{Step: step.Name, Query: &q, Skip: unsupported.Error()})
			}
			continue
		}
		p.ask(ctx, step)
	}
}

func (p *play) reportSetUp(step string, err error) {
	p.report(Result{Step: step, Failure: "set up: " + err.Error()})
}

// setUp brings the Target into the state of the step.
func (p *play) setUp(ctx context.Context, step Step) error {
	if step.Config != nil {
		if err := p.configure(ctx, step.Config); err != nil {
			return err
		}
	}
	apply, del := p.translator.translate(step.Apply, step.Delete)
	if len(apply) == 0 && len(del) == 0 {
		return nil
	}
	for _, object := range apply {
		p.applied[object.Ref()] = true
	}
	given, err := p.suite.Target.Change(ctx, apply, del)
	if err != nil {
		return fmt.Errorf("change objects: %w", err)
	}
	for _, ref := range del {
		delete(p.applied, ref)
	}
	maps.Copy(p.names.given, given)
	return nil
}

func (p *play) configure(ctx context.Context, config map[string]string) error {
	files := map[string]string{}
	for key, value := range config {
		var err error
		if files[key], err = p.names.expand(value); err != nil {
			return err
		}
	}
	if p.suite.configured != nil && maps.Equal(files, p.suite.configured) {
		return nil
	}
	p.suite.configured = nil
	if err := p.suite.Target.Configure(ctx, files); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	p.suite.configured = files
	return nil
}

// clean deletes the objects of the file and restores the configuration.
func (p *play) clean(ctx context.Context) error {
	if err := p.configure(ctx, defaultConfig()); err != nil {
		return err
	}
	del := slices.Collect(maps.Keys(p.applied))
	if len(del) == 0 {
		return nil
	}
	slices.SortFunc(del, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	_, err := p.suite.Target.Change(ctx, nil, del)
	return err
}

func (p *play) ask(ctx context.Context, step Step) {
	patience := p.suite.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	// The time starts with the step, not with each question. So the run ends soon even if
	// all replies are wrong.
	until := time.Now().Add(patience)
	for _, q := range step.Queries {
		r := Result{Step: step.Name, Query: &q}
		if p.suite.Skip != nil {
			r.Skip = p.suite.Skip(p.file, r)
		}
		if r.Skip == "" {
			plain, err := p.names.query(q)
			if err == nil {
				r.Failure = askUntilRight(ctx, p.suite.Target.Server(), plain, until)
			} else {
				r.Failure = err.Error()
			}
		}
		p.report(r)
	}
}

// askUntilRight repeats a query until the reply is right. If the reply is still wrong after until,
// and after two tries, it returns a report, else "".
func askUntilRight(ctx context.Context, server string, q Query, until time.Time) string {
	for try := 1; ; try++ {
		reply, err := Ask(ctx, server, q)
		now := time.Now()
		problems := q.Check(reply, err, now)
		if len(problems) == 0 {
			return ""
		}
		if ctx.Err() != nil || try > 1 && now.After(until) {
			return report(q, server, reply, problems, try)
		}
		pause.For(ctx, askAgain)
	}
}

func report(q Query, server string, reply Reply, problems []string, tries int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: wrong after %d queries to %s:\n", q.Question, tries, server)
	for _, problem := range problems {
		fmt.Fprintf(&b, "  - %s\n", problem)
	}
	if q.Reason != "" {
		fmt.Fprintf(&b, "Upstream replies otherwise: %s.\n", q.Reason)
	}
	question := q
	question.UpstreamExpect, question.Upstream, question.Reason = nil, "", ""
	expected, err := yaml.Marshal(question)
	if err != nil {
		expected = []byte(err.Error())
	}
	fmt.Fprintf(&b, "Want:\n%s", indent(string(expected)))
	if reply.Msg != nil {
		fmt.Fprintf(&b, "Got (%d bytes):\n%s", len(reply.Wire), indent(reply.Msg.String()))
	}
	return b.String()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n"
}
