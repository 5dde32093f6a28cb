// Package compare compares the replies of two DNS servers to the same questions, and classifies the
// differences. It sends nothing.
package compare

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// A Question is a name, absolute and in lower case, and a type.
type Question struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func (q Question) String() string { return q.Type + " " + q.Name }

// mostQuestions limits the questions read from a file.
const mostQuestions = 1_000_000

// NewQuestion returns a question, or an error that names the problem.
func NewQuestion(name, qtype string) (Question, error) {
	name, qtype = strings.ToLower(dns.Fqdn(name)), strings.ToUpper(qtype)
	if _, ok := dns.IsDomainName(name); !ok || name == "." {
		return Question{}, fmt.Errorf("%q is not a name", name)
	}
	if t, ok := dns.StringToType[qtype]; !ok || t == dns.TypeAXFR || t == dns.TypeIXFR {
		return Question{}, fmt.Errorf("%q is not a type that can be queried", qtype)
	}
	return Question{Name: name, Type: qtype}, nil
}

// ReadNames reads a file of names: one a line, followed by a type, or else combined with each of
// types. Empty lines and lines that start with # are ignored.
func ReadNames(r io.Reader, types []string) ([]Question, error) {
	set := newSet()
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan() && len(set.list) < mostQuestions; n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		of := types
		if len(fields) > 1 {
			of = fields[1:2]
		}
		for _, t := range of {
			q, err := NewQuestion(fields[0], t)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w: write a name, or a name and a type", n, err)
			}
			set.add(q)
		}
	}
	return set.list, lines.Err()
}

// Lines of the logs of dnsmasq (--log-queries) and of CoreDNS (plugin log).
var (
	ofDnsmasq = regexp.MustCompile(`query\[([A-Z0-9]+)\] (\S+) from `)
	ofCoreDNS = regexp.MustCompile(`"([A-Z0-9]+) IN (\S+) (?:udp|tcp) `)
)

// ReadLog reads the questions of a log: of kube-dns's query log (JSON), of dnsmasq's
// --log-queries, or of CoreDNS's plugin log. Other lines are ignored.
func ReadLog(r io.Reader) ([]Question, error) {
	set := newSet()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && len(set.list) < mostQuestions {
		if q, ok := questionOf(lines.Text()); ok {
			set.add(q)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(set.list) == 0 {
		return nil, fmt.Errorf("no line is a query: logs of kube-dns (kubectl kubedns tail), " +
			"of dnsmasq (--log-queries) and of CoreDNS (plugin log) can be read")
	}
	return set.list, nil
}

func questionOf(line string) (Question, bool) {
	var name, qtype string
	if i := strings.IndexByte(line, '{'); i >= 0 {
		var entry struct{ Name, Type string }
		if json.Unmarshal([]byte(line[i:]), &entry) == nil {
			name, qtype = entry.Name, entry.Type
		}
	}
	if m := ofDnsmasq.FindStringSubmatch(line); m != nil {
		qtype, name = m[1], m[2]
	} else if m := ofCoreDNS.FindStringSubmatch(line); m != nil {
		qtype, name = m[1], m[2]
	}
	if name == "" {
		return Question{}, false
	}
	q, err := NewQuestion(name, qtype)
	return q, err == nil
}

// Sample returns at most n questions, evenly spread over all.
func Sample(all []Question, n int) []Question {
	if len(all) <= n {
		return all
	}
	some := make([]Question, 0, n)
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}

// Only returns the questions of some types.
func Only(all []Question, types []string) []Question {
	return slices.DeleteFunc(slices.Clone(all), func(q Question) bool { return !slices.Contains(types, q.Type) })
}

// A set holds distinct questions in order of insertion.
type set struct {
	list []Question
	seen map[Question]bool
}

func newSet() *set { return &set{seen: map[Question]bool{}} }

func (s *set) add(q Question) {
	if !s.seen[q] {
		s.seen[q] = true
		s.list = append(s.list, q)
	}
}
