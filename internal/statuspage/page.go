package statuspage

import (
	"slices"
	"strings"
	"time"
)

// A Level is how well a part works.
type Level string

// The levels, from good to bad.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failed  Level = "failed"
)

func (l Level) rank() int { return slices.Index([]Level{OK, Warning, Failed}, l) }

// A Page is the state of a command at one moment.
type Page struct {
	Command string    `json:"command"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Level is that of the worst part, and Summary its text. The handler sets both.
	Level   Level   `json:"level"`
	Summary string  `json:"summary"`
	Parts   []Part  `json:"parts"`
	Tables  []Table `json:"tables,omitempty"`
	Charts  []Chart `json:"charts,omitempty"`
	// Question is the form of the page and its result; nil: there is none.
	Question *Question `json:"question,omitempty"`
	Links    []Link    `json:"links,omitempty"`
}

// A Part is one thing that can be wrong.
type Part struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	// Text is the state in one line: with a reason when the level is not OK.
	Text string `json:"text"`
	// Since is when the part entered this state; the zero time if unknown.
	Since time.Time `json:"since,omitzero"`
}

// Check returns a part that works, or that failed if err is not nil.
func Check(name, text string, err error) Part {
	if err != nil {
		return Part{Name: name, Level: Failed, Text: err.Error()}
	}
	return Part{Name: name, Level: OK, Text: text}
}

// A Table lists things of one kind.
type Table struct {
	Caption string     `json:"caption"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	// Empty is shown instead of a table without rows.
	Empty string `json:"-"`
}

// A Link is another page of the same command.
type Link struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// A Question is a form with fields, and the answer to it.
type Question struct {
	Title  string  `json:"title"`
	Fields []Field `json:"fields"`
	// Asked reports whether there is an answer.
	Asked   bool     `json:"asked"`
	Summary string   `json:"summary,omitempty"`
	Steps   *Table   `json:"steps,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// A Field is one input of a form.
type Field struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Value   string   `json:"value"`
	Hint    string   `json:"-"`
	Options []string `json:"-"` // a choice, in place of free text
}

// judge sorts the worst parts first. It sets Level to the worst level. Summary is the text of that
// part, and the names of the other parts that do not work.
func (p *Page) judge() {
	p.Level, p.Summary = OK, "all parts work"
	slices.SortStableFunc(p.Parts, func(a, b Part) int { return b.Level.rank() - a.Level.rank() })
	var also []string
	for i, part := range p.Parts {
		switch {
		case part.Level == OK:
		case i == 0:
			p.Level, p.Summary = part.Level, part.Name+": "+part.Text
		default:
			also = append(also, part.Name)
		}
	}
	if len(also) > 0 {
		p.Summary += " (also: " + strings.Join(also, ", ") + ")"
	}
}
