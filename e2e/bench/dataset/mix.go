package dataset

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
)

// A Question is one line of a mix.
type Question struct {
	Name string // without final dot
	Type string
}

// A Mix is a list of questions that are sent repeatedly.
type Mix struct {
	// Name is the key in results.
	Name string
	// Title is the name in the report.
	Title string
	// EDNS: the queries have an OPT record.
	EDNS bool
	// TCP: the queries go over TCP.
	TCP bool
	// Questions in the order they are sent.
	Questions []Question
}

// Names of the mixes.
const (
	MixA      = "a"
	MixSRV    = "srv"
	MixTen    = "headless10"
	MixTenSRV = "headless10-srv"
	MixFifty  = "headless50"
	MixPTR    = "ptr"
	MixNX     = "nxdomain"
	MixReal   = "search"
	MixTCP    = "tcp"
)

// Mixes returns all mixes of the set, in a fixed order.
func (s Set) Mixes() []Mix {
	rng := rand.New(rand.NewPCG(7, 7))
	a, srv, ptr := s.clusterIPQuestions()
	mixes := []Mix{
		{Name: MixA, Title: "A", Questions: shuffled(rng, a)},
		{Name: MixSRV, Title: "SRV", Questions: shuffled(rng, srv)},
	}
	if g, ok := s.Group(10); ok {
		mixes = append(mixes,
			Mix{Name: MixTen, Title: "A, headless, 10 addresses", Questions: shuffled(rng, g.questions("", "A"))},
			Mix{Name: MixTenSRV, Title: "SRV, headless, 10 targets, EDNS", EDNS: true,
				Questions: shuffled(rng, g.questions("_http._tcp.", "SRV"))})
	}
	if g, ok := s.Group(50); ok {
		mixes = append(mixes, Mix{Name: MixFifty, Title: "A, headless, 50 addresses, EDNS", EDNS: true,
			Questions: shuffled(rng, g.questions("", "A"))})
	}
	return append(mixes,
		Mix{Name: MixPTR, Title: "PTR", Questions: shuffled(rng, ptr)},
		Mix{Name: MixNX, Title: "NXDOMAIN", Questions: shuffled(rng, s.absentQuestions())},
		Mix{Name: MixReal, Title: "search path", Questions: s.searchQuestions(rng)},
		Mix{Name: MixTCP, Title: "A over TCP", TCP: true, Questions: shuffled(rng, a)},
	)
}

func (s Set) clusterIPQuestions() (a, srv, ptr []Question) {
	for i := range s.Services {
		name := s.Service(i)
		a = append(a, Question{name, "A"})
		srv = append(srv, Question{"_http._tcp." + name, "SRV"})
		ptr = append(ptr, Question{ReverseName(s.ClusterIP(i)), "PTR"})
	}
	return a, srv, ptr
}

// questions are about a name below each Service of the group, or about the Service.
func (g Group) questions(below, rrtype string) []Question {
	var out []Question
	for i := range g.Services {
		out = append(out, Question{below + g.Service(i), rrtype})
	}
	return out
}

// absentQuestions are names of the internet with the suffixes of a search path.
func (s Set) absentQuestions() []Question {
	var out []Question
	for i := range 10_000 {
		suffix := [...]string{s.namespace(i) + ".svc." + Zone, "svc." + Zone, Zone}[i%3]
		out = append(out, Question{fmt.Sprintf("www.host%d.com.%s", i, suffix), "A"})
	}
	return out
}

// searchQuestions are the queries of pods with "options ndots:5" and the default search path, A and
// AAAA. Some Services are far more frequent than the rest. The last query for a name of the
// internet is omitted, since it leaves the cluster.
func (s Set) searchQuestions(rng *rand.Rand) []Question {
	popular := rand.NewZipf(rng, 1.1, 4, uint64(s.Services-1))
	external := rand.NewZipf(rng, 1.2, 2, 999)
	order := rng.Perm(s.Services)
	var out []Question
	for range 12_000 {
		i := order[popular.Uint64()]
		own, full := s.namespace(rng.IntN(s.Namespaces)), s.Service(i)
		var names []string
		switch x := rng.IntN(100); {
		case x < 40: // a Service of the pod's own namespace: the first search domain
			names = []string{full}
		case x < 65: // service.namespace of another: the second search domain
			names = []string{fmt.Sprintf("svc-%d.%s.%s.svc.%s", i, s.namespace(i), own, Zone), full}
		case x < 75: // the full name without the final dot: the fourth attempt
			names = []string{full + "." + own + ".svc." + Zone, full + ".svc." + Zone, full + "." + Zone, full}
		default:
			name := fmt.Sprintf("api.ext%d.com", external.Uint64())
			names = []string{name + "." + own + ".svc." + Zone, name + ".svc." + Zone, name + "." + Zone}
		}
		for _, name := range names {
			out = append(out, Question{name, "A"}, Question{name, "AAAA"})
		}
	}
	return out
}

// ReverseName returns the name of an IPv4 address's PTR record.
func ReverseName(a netip.Addr) string {
	b := a.As4()
	return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
}

func shuffled(rng *rand.Rand, qs []Question) []Question {
	out := append([]Question(nil), qs...)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// WriteQuestions writes questions in dnsperf's format: a name and a type a line.
func WriteQuestions(path string, qs []Question) error {
	var b strings.Builder
	for _, q := range qs {
		b.WriteString(q.Name + " " + q.Type + "\n")
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// ReadQuestions reads questions that WriteQuestions wrote.
func ReadQuestions(path string) ([]Question, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Question
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		w := strings.Fields(lines.Text())
		if len(w) != 2 {
			return nil, fmt.Errorf("%s:%d: want a name and a type, not %q", path, n, lines.Text())
		}
		out = append(out, Question{w[0], w[1]})
	}
	return out, lines.Err()
}
