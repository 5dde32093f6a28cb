package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// runNotes prints the section of a version in a changelog.
func runNotes(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	version := fs.String("version", "", "`version` with or without v; one that has no section yet gets that of Unreleased")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *version == "" || fs.NArg() != 1 {
		return errors.New("notes needs -version VERSION and the changelog")
	}
	text, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return err
	}
	notes, err := section(string(text), strings.TrimPrefix(*version, "v"))
	if err != nil {
		return fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	// The notes are published outside of the repository.
	link := regexp.MustCompile(`\]\(((?:docs|monitoring)/[^)]*|[A-Z]+\.md[^)]*)\)`)
	_, err = io.WriteString(stdout, link.ReplaceAllString(notes, "]("+source+"/blob/"+*version+"/$1)"))
	return err
}

// section returns the text below "## VERSION" or "## [VERSION] - DATE", or else below "##
// Unreleased" (keepachangelog.com).
func section(changelog, version string) (string, error) {
	found := map[string]string{}
	for part := range strings.SplitSeq("\n"+changelog, "\n## ") {
		head, body, _ := strings.Cut(part, "\n")
		title, _, _ := strings.Cut(strings.TrimSpace(head), " ")
		found[strings.TrimPrefix(strings.Trim(title, "[]"), "v")] = strings.TrimSpace(body) + "\n"
	}
	for _, title := range []string{version, "Unreleased"} {
		if body, ok := found[title]; ok && strings.TrimSpace(body) != "" {
			return body, nil
		}
	}
	return "", fmt.Errorf("there is no section %s and none Unreleased", version)
}
