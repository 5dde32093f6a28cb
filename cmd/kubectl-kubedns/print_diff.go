package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/compare"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
)

// printChanges prints new and resolved differences, and returns the current ones.
func printChanges(
	out io.Writer, now string, old map[compare.Question]bool, found []compare.Difference,
) map[compare.Question]bool {
	current := map[compare.Question]bool{}
	for _, d := range found {
		current[d.Question] = true
		if !old[d.Question] {
			fmt.Fprintf(out, "%s differs %s: %s | %s (%s)\n",
				now, d.Question, replyText(d.Left), replyText(d.Right), kindText(d.Kind))
		}
	}
	for q := range old {
		if !current[q] {
			fmt.Fprintf(out, "%s same    %s\n", now, q)
		}
	}
	return current
}

// A kindSummary is a kind of difference with one example.
type kindSummary struct {
	Kind    compare.Kind       `json:"kind"`
	Count   int                `json:"count"`
	Example compare.Difference `json:"example"`
}

// printDifferences prints each kind once, and returns errFindings if there is any.
func printDifferences(
	p *report.Printer, f *diffFlags, found []compare.Difference, asked int, took time.Duration,
) error {
	byKind := map[compare.Kind]*kindSummary{}
	for _, d := range found {
		k := byKind[d.Kind]
		if k == nil {
			k = &kindSummary{Kind: d.Kind, Example: d}
			byKind[d.Kind] = k
		}
		k.Count++
	}
	kinds := slices.SortedFunc(maps.Values(byKind), func(a, b *kindSummary) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Kind.Code+a.Kind.Text, b.Kind.Code+b.Kind.Text)
	})
	if p.Format != report.Table {
		if err := p.Encode(struct {
			APIVersion  string               `json:"apiVersion"`
			Asked       int                  `json:"asked"`
			Different   int                  `json:"different"`
			Kinds       []*kindSummary       `json:"kinds"`
			Differences []compare.Difference `json:"differences"`
		}{"v1", asked, len(found), kinds, found}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.Out, "%d same, %d different of %d (rate %d/s, %s)\n",
			asked-len(found), len(found), asked, f.rate, took.Round(time.Second))
		for _, k := range kinds {
			fmt.Fprintf(p.Out, "\n%d  %s\n", k.Count, kindText(k.Kind))
			fmt.Fprintf(p.Out, "   %s\n", k.Example.Question)
			fmt.Fprintf(p.Out, "   %s\n   %s\n",
				p.Paint(report.Bad, "- "+replyText(k.Example.Left)),
				p.Paint(report.Good, "+ "+replyText(k.Example.Right)))
		}
	}
	if len(found) > 0 {
		return errFindings
	}
	return nil
}

func kindText(k compare.Kind) string {
	text := k.Text + ": " + string(k.Effect)
	if k.Code != "" {
		text = k.Code + " " + text
	}
	return text
}

// replyText returns a reply in one line.
func replyText(r ask.Reply) string {
	const most = 4
	if r.Err != "" {
		return "no reply: " + r.Err
	}
	var parts []string
	for i, rr := range r.Answer {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(r.Answer)-most))
			break
		}
		parts = append(parts, rr.String())
	}
	if len(parts) == 0 && r.Rcode == "NOERROR" {
		parts = []string{"(no data)"}
	}
	flags := ""
	if r.AA {
		flags = " aa"
	}
	return strings.TrimSpace(r.Rcode + flags + " " + strings.Join(parts, ", "))
}
