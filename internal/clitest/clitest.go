// Package clitest has testscript commands for the stories of the commands:
//
//	exits CODE command [args...]      runs a command that must exit with CODE
//	get STATUS URL [pattern...]       repeats a request until the reply matches
//	ask SERVER NAME TYPE [pattern...] repeats a DNS query until the reply matches
//	golden FILE GOLDEN [pattern]      compares files; skips lines that match the pattern
//	term                              sends SIGTERM to the background commands
//	values COMMAND URL                compares label values with docs/metrics.md
//
// get and ask leave the reply in stdout. Their timeout is long, because tests do not measure time.
package clitest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/docs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// patience is the time limit of get and ask.
const patience = 30 * time.Second

// Commands returns the commands. The golden files are in dir.
func Commands(dir string) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	type script = *testscript.TestScript
	usage := func(n int, text string, f func(script, []string)) func(script, bool, []string) {
		return func(ts script, neg bool, args []string) {
			if neg || len(args) < n {
				ts.Fatalf("usage: %s", text)
			}
			f(ts, args)
		}
	}
	compare := func(ts script, args []string) { golden(ts, dir, args) }
	return map[string]func(script, bool, []string){
		"exits":  usage(2, "exits code command [args...]", exits),
		"get":    usage(2, "get status url [pattern...]", get),
		"ask":    usage(3, "ask server name type [pattern...]", ask),
		"golden": usage(2, "golden file golden [pattern]", compare),
		"term":   usage(0, "term", term),
		"values": usage(2, "values command url", values),
	}
}

func exits(ts *testscript.TestScript, args []string) {
	got, err := 0, ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

func get(ts *testscript.TestScript, args []string) {
	until(ts, args[2:], func() (string, error) {
		status, body, err := fetch(args[1])
		if err == nil && strconv.Itoa(status) != args[0] {
			err = fmt.Errorf("status %d", status)
		}
		return body, err
	})
}

func fetch(url string) (status int, body string, err error) {
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func ask(ts *testscript.TestScript, args []string) {
	qtype, ok := dns.StringToType[args[2]]
	if !ok {
		ts.Fatalf("%s is no type", args[2])
	}
	until(ts, args[3:], func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		q := dnstest.Query(args[1], qtype)
		q.SetEdns0(1232, false)
		m, err := dnstest.TryExchange(ctx, args[0], q, false)
		if err != nil {
			return "", err
		}
		return dnstest.MessageText(m), nil
	})
}

// until repeats f until it returns no error and its text matches each pattern. It leaves the text
// in stdout.
func until(ts *testscript.TestScript, patterns []string, f func() (string, error)) {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := f()
		missing := ""
		for _, pattern := range patterns {
			if !regexp.MustCompile("(?m)" + pattern).MatchString(text) {
				missing = pattern
			}
		}
		if err == nil && missing == "" {
			fmt.Fprint(ts.Stdout(), text)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("error %v, no match for %q in\n%s", err, missing, text)
		}
	}
}

// values compares the exported label values of a command with docs/metrics.md.
func values(ts *testscript.TestScript, args []string) {
	var scrape string
	until(ts, nil, func() (string, error) {
		status, body, err := fetch(args[1])
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		scrape = body
		return "", err
	})
	ts.Check(docs.CompareStartValues(args[0], scrape))
}

func golden(ts *testscript.TestScript, dir string, args []string) {
	got := ts.ReadFile(args[0])
	if len(args) > 2 {
		got = regexp.MustCompile("(?m)^.*"+strings.Join(args[2:], " ")+".*\n").ReplaceAllString(got, "")
	}
	path := filepath.Join(dir, args[1])
	if *update {
		ts.Check(os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	ts.Check(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		ts.Fatalf("%s differs (-want +got); go test -update rewrites it if this is meant:\n%s", path, diff)
	}
}

// term returns when the signal is no longer pending: Go's runtime delivers two signals in the
// order of their numbers.
func term(ts *testscript.TestScript, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
		for pending := true; pending; time.Sleep(time.Millisecond) {
			text, err := os.ReadFile(status)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				break // it has already exited
			}
			ts.Check(err)
			pending = !strings.Contains(string(text), "\nShdPnd:\t0000000000000000\n")
		}
	}
}
