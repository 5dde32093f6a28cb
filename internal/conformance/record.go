package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// A Record is what a record of a reply has to be.
type Record struct {
	Owner string `json:"owner"`
	Type  string `json:"type"`
	// Class is IN when empty.
	Class string `json:"class,omitempty"`
	// TTL in seconds; nil: any.
	TTL *uint32 `json:"ttl,omitempty"`
	// Rdata is in zone-file form. The final dot of names may be missing. A
	// field that is just * stands for any.
	Rdata string `json:"rdata"`
}

// String returns the record in zone-file form, with * for any TTL.
func (r Record) String() string {
	ttl := "*"
	if r.TTL != nil {
		ttl = fmt.Sprint(*r.TTL)
	}
	return fmt.Sprintf("%s %s %s %s %s", dns.Fqdn(r.Owner), ttl, r.class(), r.Type, r.Rdata)
}

func (r Record) class() string {
	if r.Class == "" {
		return "IN"
	}
	return r.Class
}

// matches reports whether a record of a reply is this one. The case of names
// does not matter, that of texts does.
func (r Record) matches(got dns.RR) bool {
	if r.TTL != nil && *r.TTL != got.Header().Ttl {
		return false
	}
	rdata, ok := fillStars(r.Rdata, rdataOf(got))
	if !ok {
		return false
	}
	want, err := r.parse(rdata)
	return err == nil && dns.IsDuplicate(want, got)
}

func (r Record) parse(rdata string) (dns.RR, error) {
	if strings.ContainsAny(rdata, "\n\r$") {
		return nil, fmt.Errorf("rdata %q is more than one line", rdata)
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s 0 %s %s %s", dns.Fqdn(r.Owner), r.class(), r.Type, rdata))
	if err == nil && rr == nil {
		err = fmt.Errorf("%q is no record", rdata)
	}
	return rr, err
}

// fillStars replaces each field of want that is * by the field of got.
func fillStars(want, got string) (string, bool) {
	wantFields := fields(want)
	if !slices.Contains(wantFields, "*") {
		return want, true
	}
	gotFields := fields(got)
	if len(wantFields) != len(gotFields) {
		return "", false
	}
	for i, field := range wantFields {
		if field == "*" {
			wantFields[i] = gotFields[i]
		}
	}
	return strings.Join(wantFields, " "), true
}

// rdataOf returns the data of a record in zone-file form.
func rdataOf(rr dns.RR) string {
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// fields splits data in zone-file form at its blanks; a quoted text is one
// field.
func fields(rdata string) []string {
	var list []string
	var field strings.Builder
	quoted, escaped := false, false
	for _, c := range []byte(rdata) {
		blank := (c == ' ' || c == '\t') && !quoted && !escaped
		switch {
		case blank && field.Len() > 0:
			list = append(list, field.String())
			field.Reset()
		case !blank:
			field.WriteByte(c)
		}
		if c == '"' && !escaped {
			quoted = !quoted
		}
		escaped = c == '\\' && !escaped
	}
	if field.Len() > 0 {
		list = append(list, field.String())
	}
	return list
}
