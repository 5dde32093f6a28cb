// Package spelling finds the intended word for a mistyped one.
package spelling

import "strings"

// Nearest returns the known word that differs from word in the fewest characters, the first of
// several. It returns "" if every known word differs in more than most characters. It ignores
// letter case, and an underscore equals a dash.
func Nearest(word string, known []string, most int) string {
	nearest := ""
	for _, k := range known {
		if len(word) > len(k)+most {
			continue // too far, and perhaps very long
		}
		if d := distance(fold(word), fold(k)); d <= most {
			nearest, most = k, d-1
		}
	}
	return nearest
}

func fold(word string) string { return strings.ReplaceAll(strings.ToLower(word), "_", "-") }

// distance returns the Levenshtein distance of a and b, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
