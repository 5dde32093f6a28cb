package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// exampleNames replaces a set-up: validation checks only the form.
var exampleNames = names{resolver: netip.MustParseAddrPort("127.0.0.1:53")}

func (f File) validate() error {
	for _, feature := range f.Requires {
		if !slices.Contains(features, feature) {
			return fmt.Errorf("requires: unknown feature %q", feature)
		}
	}
	if _, err := parseZone(f.Resolver); err != nil {
		return err
	}
	steps := f.AllSteps()
	if len(steps) == 0 {
		return errors.New("no questions")
	}
	for _, step := range steps {
		if err := step.validate(); err != nil {
			return fmt.Errorf("step %q: %w", step.Name, err)
		}
	}
	return nil
}

func (s Step) validate() error {
	if s.Name == "" {
		return errors.New("a step needs a name")
	}
	for i, object := range s.Apply {
		if ref := object.Ref(); ref.Kind == "" || ref.Name == "" {
			return fmt.Errorf("object %d: needs kind and metadata.name", i)
		}
	}
	for i, ref := range s.Delete {
		if ref.Kind == "" || ref.Name == "" {
			return fmt.Errorf("delete %d: needs kind and name", i)
		}
	}
	for _, text := range s.Config {
		if _, err := exampleNames.expand(text); err != nil {
			return err
		}
	}
	for _, q := range s.Queries {
		q, err := exampleNames.query(q)
		if err == nil {
			err = q.validate()
		}
		if err != nil {
			return fmt.Errorf("question %s: %w", q.Title(), err)
		}
	}
	return nil
}

func (q Query) validate() error {
	if q.Question.Name == "" {
		return errors.New("needs a query")
	}
	if _, err := q.Question.pack(0); err != nil {
		return err
	}
	if q.Upstream != "" && q.Upstream != "differs" && q.Upstream != "crashes" {
		return fmt.Errorf("upstream: %q is neither differs nor crashes", q.Upstream)
	}
	if err := q.Expect.validate(); err != nil {
		return err
	}
	if q.UpstreamExpect != nil {
		if err := q.UpstreamExpect.validate(); err != nil {
			return fmt.Errorf("upstream_expect: %w", err)
		}
	}
	return nil
}

func (e Expect) validate() error {
	if _, err := rcodes(e.Rcode); err != nil && !e.NoReply {
		return err
	}
	if e.Order != "" && e.Order != "any" && e.Order != "strict" {
		return fmt.Errorf("order: %q is neither any nor strict", e.Order)
	}
	if e.OwnerCase != "" && e.OwnerCase != "exact" {
		return fmt.Errorf("owner_case: %q is not exact", e.OwnerCase)
	}
	for flag := range e.Flags {
		if !slices.Contains(flagNames, flag) {
			return fmt.Errorf("flags: unknown flag %q", flag)
		}
	}
	for _, list := range e.records() {
		for _, r := range list {
			if err := r.validate(); err != nil {
				return fmt.Errorf("record %s: %w", r, err)
			}
		}
	}
	return nil
}

func (r Record) validate() error {
	if _, ok := dns.IsDomainName(r.Owner); !ok || r.Owner == "" {
		return fmt.Errorf("owner %q is no name", r.Owner)
	}
	if slices.Contains(fields(r.Rdata), "*") {
		if _, ok := dns.StringToType[r.Type]; !ok {
			return fmt.Errorf("unknown type %q", r.Type)
		}
		return nil
	}
	_, err := r.parse(r.Rdata)
	return err
}
