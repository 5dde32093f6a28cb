package docs

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// A Flag is one flag of a command.
type Flag struct {
	// Name includes the leading dashes.
	Name string
	// Value is the kind of value, or "" for a boolean.
	Value string
	// Default is the value without the flag, or "".
	Default string
	// Meaning is the text of the help.
	Meaning string
	// Hidden flags are not in the help.
	Hidden bool
}

// GNUFlags returns the flags of fs in its order.
func GNUFlags(fs *pflag.FlagSet) []Flag {
	var list []Flag
	fs.VisitAll(func(f *pflag.Flag) {
		value, meaning := pflag.UnquoteUsage(f)
		list = append(list, Flag{Name: "--" + f.Name, Value: value, Default: f.DefValue, Meaning: meaning, Hidden: f.Hidden})
	})
	return list
}

// GoFlags returns the flags of fs by name.
func GoFlags(fs *flag.FlagSet) []Flag {
	var list []Flag
	fs.VisitAll(func(f *flag.Flag) {
		value, meaning := flag.UnquoteUsage(f)
		list = append(list, Flag{Name: "-" + f.Name, Value: value, Default: f.DefValue, Meaning: meaning})
	})
	return list
}

// CheckFlags compares the section of a command in docs/flags.md with its flags. legacy and added
// are names without dashes. Each flag must be in one of them. legacy are the flags of the upstream
// command. They must remain, because command lines in clusters use them.
func CheckFlags(t *testing.T, command string, flags []Flag, legacy, added []string) {
	t.Helper()
	var old, fresh, hidden []Flag
	for _, f := range flags {
		name := bare(f.Name)
		switch isOld, isNew := slices.Contains(legacy, name), slices.Contains(added, name); {
		case isOld == isNew:
			t.Errorf("flag %s of %s must be in one of the two lists of its test: legacy or added", f.Name, command)
		case isNew:
			fresh = append(fresh, f)
		case f.Hidden:
			hidden = append(hidden, f)
		default:
			old = append(old, f)
		}
	}
	for _, name := range slices.Concat(legacy, added) {
		if !slices.ContainsFunc(flags, func(f Flag) bool { return bare(f.Name) == name }) {
			t.Errorf("%s has lost its flag %s", command, name)
		}
	}
	text := "\nFlags as they have always been:\n\n" + flagTable(old)
	text += "\nNew:\n\n" + flagTable(fresh)
	if len(hidden) > 0 {
		text += "\nAccepted, and not shown by `--help`:\n\n" + flagTable(hidden)
	}
	check(t, "flags.md", command, text+"\n")
}

func bare(name string) string { return strings.TrimLeft(name, "-") }

func flagTable(flags []Flag) string {
	t := newTable("flag", "default", "meaning")
	for _, f := range flags {
		name := f.Name
		if f.Value != "" {
			name += " " + f.Value
		}
		t.row(code(name), code(f.Default), prose(f.Meaning))
	}
	return t.String()
}

// LegacyLogFlags are the logging flags of older manifests, in their GNU form.
var LegacyLogFlags = []string{
	"add-dir-header", "alsologtostderr", "log-backtrace-at", "log-dir", "log-file", "log-file-max-size",
	"logtostderr", "one-output", "skip-headers", "skip-log-headers", "stderrthreshold",
}
