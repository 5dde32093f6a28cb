package conformance

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// A Suite plays files against one Target.
type Suite struct {
	Target Target
	// Resolver is {resolver} in the Files.
	Resolver *Resolver
	// Endpoints is the form in which Endpoints objects reach the Target.
	Endpoints EndpointsMode
	// Features are those of the set-up. A File that requires another one is skipped.
	Features []string
	// Skip, if not nil, returns a reason to skip a question, or "".
	Skip func(File, Query) string
	// Patience is how long after a step a question with a wrong reply is asked again; 0
	// is 5 seconds.
	Patience time.Duration

	configured map[string]string // of the Target; nil: unknown
}

// Pauses of a Suite.
const (
	defaultPatience = 5 * time.Second
	askAgain        = 50 * time.Millisecond
	cleanupTimeout  = 30 * time.Second
)

// Run runs the files one after the other, each as a subtest with a subtest for each step
// and question. After a file its objects are deleted and the default configuration is
// restored.
func (s *Suite) Run(t *testing.T, files []File) {
	for _, file := range files {
		t.Run(file.Name, func(t *testing.T) { s.play(t, file) })
	}
}

func (s *Suite) play(t *testing.T, file File) {
	for _, feature := range file.Requires {
		if !slices.Contains(s.Features, feature) {
			t.Skipf("requires %s", feature)
		}
	}
	if err := s.Resolver.Set(file.Resolver); err != nil {
		t.Fatal(err)
	}
	p := &play{
		suite:      s,
		file:       file,
		names:      names{resolver: s.Resolver.Addr(), given: map[netip.Addr]netip.Addr{}},
		translator: newTranslator(s.Endpoints, file),
		applied:    map[Ref]bool{},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
		defer cancel()
		if err := p.clean(ctx); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	for i, step := range file.AllSteps() {
		if i == 0 && step.Config == nil {
			step.Config = defaultConfig()
		}
		if err := p.setUp(t.Context(), step); err != nil {
			t.Fatalf("step %q: %v", step.Name, err)
		}
		t.Run(step.Name, func(t *testing.T) { p.ask(t, step) })
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

func (p *play) ask(t *testing.T, step Step) {
	patience := p.suite.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	// The time starts with the step, not with each question. So the run ends soon even if
	// all replies are wrong.
	until := time.Now().Add(patience)
	for _, q := range step.Queries {
		t.Run(q.Title(), func(t *testing.T) {
			if p.suite.Skip != nil {
				if reason := p.suite.Skip(p.file, q); reason != "" {
					t.Skip(reason)
				}
			}
			plain, err := p.names.query(q)
			if err != nil {
				t.Fatal(err)
			}
			if report := askUntilRight(t.Context(), p.suite.Target.Server(), plain, until); report != "" {
				t.Error(report)
			}
		})
	}
}

// askUntilRight asks until the reply is right. If the reply is still wrong after until, and
// after two tries, it returns a report, else "".
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
		select {
		case <-ctx.Done():
		case <-time.After(askAgain):
		}
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
