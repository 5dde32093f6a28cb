package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

const source = "https://github.com/kube-dns/kube-dns"

// A statement is an in-toto statement of version 1 with the predicate SLSA provenance 1.0.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type predicate struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   map[string]string `json:"externalParameters"`
	ResolvedDependencies []dependency      `json:"resolvedDependencies"`
}

type dependency struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

type runDetails struct {
	Builder struct {
		ID      string            `json:"id"`
		Version map[string]string `json:"version"`
	} `json:"builder"`
}

// runProvenance prints the revision and the Go version of the files.
func runProvenance(_ context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	version := fs.String("version", "", "`version` of the release")
	registry := fs.String("registry", "", "`registry` in the names of the images")
	revision := fs.String("revision", "", "git `revision` that it is made of")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *version == "" || *registry == "" || *revision == "" || fs.NArg() == 0 {
		return errors.New("provenance needs -version VERSION, -registry REGISTRY, -revision REVISION and the files")
	}
	s := statement{
		Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1",
		Predicate: predicate{BuildDefinition: buildDefinition{
			BuildType:          source + "/blob/main/RELEASE.md",
			ExternalParameters: map[string]string{"target": "make release", "VERSION": *version, "REGISTRY": *registry},
			ResolvedDependencies: []dependency{
				{URI: "git+" + source, Digest: map[string]string{"gitCommit": *revision}},
			},
		}},
	}
	s.Predicate.RunDetails.Builder.ID = source + "/blob/main/Makefile"
	s.Predicate.RunDetails.Builder.Version = map[string]string{"go": runtime.Version()}
	for _, file := range fs.Args() {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		s.Subject = append(s.Subject, subject{filepath.Base(file), map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	}
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}
