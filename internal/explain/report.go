package explain

import (
	"strings"
)

// A Report is a Walk for programs. Fields are only added.
type Report struct {
	Question   ReportQuestion `json:"question"`
	Search     []string       `json:"search"`
	Candidates []Candidate    `json:"candidates"`
	// Advice are sentences for people, the most important one first.
	Advice []string `json:"advice"`
}

// A ReportQuestion is the Question of a Report.
type ReportQuestion struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Type      string `json:"type,omitempty"`
	Resolver  string `json:"resolver,omitempty"`
	Ndots     string `json:"ndots,omitempty"`
}

// A Candidate is one query of the walk.
type Candidate struct {
	Name string `json:"name"`
	// AnsweredBy is zone, stub or upstream.
	AnsweredBy string `json:"answeredBy"`
	// Rule is why these servers are asked, and Servers are they.
	Rule    string   `json:"rule,omitempty"`
	Servers []string `json:"servers,omitempty"`
	// Rcode is NOERROR, NXDOMAIN or SERVFAIL. It is empty when servers outside are asked.
	Rcode   string   `json:"rcode"`
	Records []Record `json:"records"`
	Objects []string `json:"objects"`
	// Reason is why there are no records.
	Reason string `json:"reason,omitempty"`
	// Used: the resolver takes the answer to this query.
	Used bool `json:"used"`
}

// A Record is one record of an answer.
type Record struct {
	Type string `json:"type"`
	Data string `json:"data"`
	TTL  uint32 `json:"ttl"`
}

// Report returns the walk of a question for programs.
func (w Walk) Report(q Question) Report {
	r := Report{
		Question: ReportQuestion{q.Name, q.Namespace, q.Type, q.Resolver, q.Ndots},
		Search:   append([]string{}, w.Search...), Advice: []string{w.Summary},
	}
	for i, s := range w.Steps {
		c := Candidate{
			Name: s.Name, AnsweredBy: "zone", Rcode: s.Result, Records: []Record{}, Objects: []string{s.Object},
			Reason: s.Reason, Used: i == len(w.Steps)-1, Servers: s.Route.Servers,
		}
		switch {
		case s.Result == noData:
			c.Rcode = "NOERROR"
		case s.Result == outside && s.Route.Domain != "":
			c.Rcode, c.AnsweredBy, c.Rule = "", "stub", "stubDomains "+strings.TrimSuffix(s.Route.Domain, ".")
		case s.Result == outside:
			c.Rcode, c.AnsweredBy, c.Rule = "", "upstream", "nameservers"
		}
		for _, record := range s.Records {
			kind, text := typeAndData(record)
			c.Records = append(c.Records, Record{kind, text, record.TTL})
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
