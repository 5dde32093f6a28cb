package conformance

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// A Record is an expected record of a reply.
type Record struct {
	Owner string
	Type  string
	Class string  // IN when empty
	TTL   *uint32 // in seconds; nil: any
	// Rdata is in zone-file form. The final dot of names may be missing. A field * matches
	// any field.
	Rdata string
}

// Records are expected records of a section. In a file they are lines of a zone file, in
// one text or in a list: owner, perhaps TTL, perhaps class, type, data.
type Records []Record

// UnmarshalJSON reads a text of lines or a list of lines.
func (r *Records) UnmarshalJSON(data []byte) error {
	var lines Lines
	if err := lines.UnmarshalJSON(data); err != nil {
		return err
	}
	*r = Records{}
	for _, line := range lines {
		record, err := parseRecord(line)
		if err != nil {
			return err
		}
		*r = append(*r, record)
	}
	return nil
}

// Lines are lines of text. In a file they are one text or a list.
type Lines []string

// UnmarshalJSON reads a text of lines or a list of lines.
func (l *Lines) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err == nil {
		*l = list
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New("records are lines of text")
	}
	*l = strings.Split(strings.TrimSpace(text), "\n")
	return nil
}

// MarshalJSON returns a list of lines.
func (r Records) MarshalJSON() ([]byte, error) {
	lines := []string{}
	for _, record := range r {
		lines = append(lines, record.line())
	}
	return json.Marshal(lines)
}

// line returns the record in the form that parseRecord reads.
func (r Record) line() string {
	words := []string{r.Owner}
	if r.TTL != nil {
		words = append(words, fmt.Sprint(*r.TTL))
	}
	if r.Class != "" {
		words = append(words, r.Class)
	}
	return strings.Join(append(words, r.Type, r.Rdata), " ")
}

// parseRecord reads one line. The data is validated when its macros have been replaced.
func parseRecord(line string) (Record, error) {
	owner, rest := cutField(line)
	record := Record{Owner: owner}
	word, rest := cutField(rest)
	if ttl, err := strconv.ParseUint(word, 10, 32); err == nil {
		record.TTL = new(uint32(ttl))
		word, rest = cutField(rest)
	}
	if _, ok := dns.StringToClass[word]; ok && word != "ANY" {
		record.Class = word
		word, rest = cutField(rest)
	}
	if record.Type, record.Rdata = word, rest; rest == "" {
		return Record{}, fmt.Errorf("record %q is not OWNER [TTL] [CLASS] TYPE DATA", line)
	}
	return record, nil
}

// cutField returns the first field of a line and the rest.
func cutField(line string) (field, rest string) {
	field, rest, _ = strings.Cut(strings.TrimSpace(line), " ")
	return field, strings.TrimSpace(rest)
}

// String returns the record in zone-file form, with * for any TTL.
func (r Record) String() string {
	ttl := "*"
	if r.TTL != nil {
		ttl = fmt.Sprint(*r.TTL)
	}
	return fmt.Sprintf("%s %s %s %s %s", dns.Fqdn(r.Owner), ttl, r.class(), r.Type, r.Rdata)
}

func (r Record) class() string { return cmp.Or(r.Class, "IN") }

// matches reports whether a record of a reply is this one. It ignores the case of names, but not of
// texts.
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
	return parseRR(fmt.Sprintf("%s 0 %s %s %s", dns.Fqdn(r.Owner), r.class(), r.Type, rdata))
}

// parseRR reads one line of a zone file.
func parseRR(line string) (dns.RR, error) {
	if strings.ContainsAny(line, "\n\r$") {
		return nil, fmt.Errorf("%q is more than one line", line)
	}
	rr, err := dns.NewRR(line)
	if err == nil && rr == nil {
		err = fmt.Errorf("%q is no record", line)
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
