package main

import (
	"bufio"
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// short maps the names of Debian's copyright files to SPDX identifiers.
var short = map[string]string{
	"Expat": "MIT", "MIT": "MIT", "ISC": "ISC", "zlib": "Zlib", "Zlib": "Zlib", "Artistic": "Artistic-1.0-Perl",
	"BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause",
	"BSD-2-Clause": "BSD-2-Clause", "BSD-3-Clause": "BSD-3-Clause",
	"Apache-2.0": "Apache-2.0", "CC0-1.0": "CC0-1.0", "CC-BY-SA-4.0": "CC-BY-SA-4.0",
	"AFL-2.1": "AFL-2.1", "MPL-2.0": "MPL-2.0",
	"0BSD": "0BSD", "Unicode": "Unicode-TOU", "FSFULLR": "FSFULLR", "FSFUL": "FSFUL",
}

var exceptions = map[string]string{
	"Autoconf exception": "Autoconf-exception-2.0", "Bison exception": "Bison-exception-2.2",
	"Linux-syscall-note exception": "Linux-syscall-note", "GCC-Runtime exception": "GCC-exception-3.1",
}

var gnu = regexp.MustCompile(`^(GPL|LGPL|AGPL|GFDL)-([0-9])(?:\.([0-9]))?(\+?)$`)

// refPrefix is the prefix of identifiers for licenses unknown to SPDX.
const refPrefix = "LicenseRef-Debian-"

// identifier is the SPDX expression of one name in a copyright file.
func identifier(name string) string {
	name, exception, with := strings.Cut(name, " with ")
	id := short[name]
	if m := gnu.FindStringSubmatch(name); m != nil {
		minor, rest := m[3], "-only"
		if minor == "" {
			minor = "0"
		}
		if m[4] != "" {
			rest = "-or-later"
		}
		id = m[1] + "-" + m[2] + "." + minor + rest
	}
	switch {
	case with && (id == "" || exceptions[exception] == ""):
		return ref(name + " with " + exception)
	case with:
		return id + " WITH " + exceptions[exception]
	case id == "":
		return ref(name)
	}
	return id
}

func ref(name string) string {
	return refPrefix + strings.Trim(notInID.ReplaceAllString(name, "-"), "-")
}

// expression is the SPDX expression of a License field. A comma binds less than "and" and "or", and
// "and" more than "or".
func expression(field string) string {
	for _, operator := range []string{" and ", " or "} {
		if left, right, ok := strings.Cut(field, ","+operator); ok {
			return group(expression(left)) + strings.ToUpper(operator) + group(expression(right))
		}
	}
	for _, operator := range []string{" or ", " and "} {
		if left, right, ok := strings.Cut(field, operator); ok {
			return group(expression(left)) + strings.ToUpper(operator) + group(expression(right))
		}
	}
	return identifier(strings.TrimSpace(field))
}

// group puts an expression with operators into parentheses.
func group(expression string) string {
	if strings.Contains(expression, " AND ") || strings.Contains(expression, " OR ") {
		return "(" + expression + ")"
	}
	return expression
}

// all joins the licenses of parts without duplicates.
func all(licenses []string) string {
	var parts []string
	for _, l := range licenses {
		if l == "" || l == noAssertion {
			continue
		}
		for part := range strings.SplitSeq(l, " AND ") {
			if strings.Count(part, "(") != strings.Count(part, ")") {
				parts = append(parts, group(l))
				part = ""
			}
			if part == "" {
				break
			}
			if strings.Contains(part, " OR ") && !strings.HasPrefix(part, "(") {
				part = "(" + part + ")"
			}
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), " AND ")
}

var commonLicense = regexp.MustCompile(
	`/usr/share/common-licenses/((?:L?GPL|GFDL|Apache|BSD|Artistic|MPL|CC0)(?:-[0-9](?:\.[0-9])?)?)`)

// unnumbered are names there of the newest version of a license. The texts that use
// these names allow that version and, as far as Debian's texts are known, these older versions.
var unnumbered = map[string]string{"GPL": "GPL-2", "LGPL": "LGPL-2.1", "BSD": "BSD-3-clause"}

// debianLicense is the license of a package by its copyright file. A machine-readable file (DEP 5)
// has License fields; any other file names common licenses.
func debianLicense(name string, text []byte) string {
	var found []string
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("Format:")) {
		files := false
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimSpace(value)
			switch {
			case key == "":
				files = false
			case key == "Files":
				files = true
			case key == "License" && files && value != "" && value != "none":
				found = append(found, expression(value))
			}
		}
	} else {
		for _, m := range commonLicense.FindAllSubmatch(text, -1) {
			id := cmp.Or(unnumbered[string(m[1])], string(m[1]))
			if gnu.MatchString(id) {
				id += "+" // these files have "or any later version", or no version
			}
			found = append(found, identifier(id))
		}
	}
	if len(found) == 0 {
		return ref(name)
	}
	return all(found)
}

// goLicense recognizes the text of a license. It returns "" for other texts.
func goLicense(text []byte) string {
	var found []string
	for _, m := range licensecheck.Scan(text).Match {
		if m.ID != "GooglePatentsFile" { // a patent grant, with no name in SPDX
			found = append(found, m.ID)
		}
	}
	return all(found)
}
