package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// A recorder has a Current and records its actions, one per line.
type recorder struct {
	*config.Current
	did []string
	log bytes.Buffer
}

func record(lastGood *config.LastGood) *recorder {
	r := &recorder{}
	r.Current = &config.Current{
		Zone: "cluster.local.", LastGood: lastGood, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Use:     func(in config.InUse) { r.did = append(r.did, fmt.Sprint("use ", in.Origin, " ", in.Config.Upstreams)) },
		Refused: func(key string, _ error) { r.did = append(r.did, "refused "+key) },
	}
	return r
}

var (
	one     = config.Update{Version: "1", Config: upstreams("192.0.2.1:53")}
	invalid = config.Update{Version: "2", Err: &config.KeyError{Key: "stubDomains", Reason: "no JSON"}}
	unread  = config.Update{Err: errors.New("configmaps is forbidden")}
	missing = config.Update{Err: fmt.Errorf("read config directory: %w", fs.ErrNotExist)}
)

func upstreams(text string) config.Config {
	return config.Config{Upstreams: []config.Nameserver{nameserver(text)}}
}

func TestCurrent(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	text := `{"upstreamNameservers": "[\"192.0.2.9\"]"}`
	if err := os.WriteFile(good, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	here := config.NewLastGood(good, slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		name     string
		lastGood *config.LastGood
		updates  []config.Update
		want     []string
	}{
		{"valid", here, []config.Update{one}, []string{"use configured [192.0.2.1:53]"}},
		{"invalid later", here, []config.Update{one, invalid, one}, []string{
			"use configured [192.0.2.1:53]", "refused stubDomains", "use configured [192.0.2.1:53]",
		}},
		{"invalid at the start", here, []config.Update{invalid, invalid}, []string{
			"use last_good [192.0.2.9:53]", "refused stubDomains", "refused stubDomains",
		}},
		{"not read at the start", here, []config.Update{unread}, []string{"use last_good [192.0.2.9:53]", "refused read"}},
		{"no directory", here, []config.Update{missing}, []string{"use default []", "refused read"}},
		{"none kept", nil, []config.Update{invalid, one}, []string{
			"use default []", "refused stubDomains", "use configured [192.0.2.1:53]",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := record(tt.lastGood)
			for _, u := range tt.updates {
				r.Apply(u)
			}
			if diff := cmp.Diff(tt.want, r.did); diff != "" {
				t.Errorf("did (-want +got):\n%s\nlog:\n%s", diff, &r.log)
			}
		})
	}
}

// The log has one error for each refusal. An unreadable configuration was not refused, and a
// recovery is logged.
func TestCurrentLog(t *testing.T) {
	r := record(nil)
	r.UseDefault()
	for _, tt := range []struct {
		update config.Update
		want   string
	}{
		{one, ""},
		{unread, `level=ERROR msg="cannot read the configuration, the one in use stays" err="configmaps is forbidden"`},
		{invalid,
			`level=ERROR msg="configuration refused, the one in use stays" key=stubDomains err="key stubDomains: no JSON"`},
		{one, `level=INFO msg="the configuration is valid again, and the same as the one in use" version=1`},
		{one, ""},
		{
			config.Update{Config: config.Config{Mistyped: []string{"stubdomain"}}},
			`level=WARN msg="found a likely mistake in the configuration" warning="key \"stubdomain\" `,
		},
	} {
		r.log.Reset()
		r.Apply(tt.update)
		if got := r.log.String(); !strings.Contains(got, tt.want) || strings.Count(got, "\n") != min(len(tt.want), 1) {
			t.Errorf("log\n%swant one line with\n%s", got, tt.want)
		}
	}
}

// Apply does not wait for the disk. The newest configuration is written once, at the end.
func TestLastGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "good")
	lastGood := func() *config.LastGood { return config.NewLastGood(path, slog.New(slog.DiscardHandler)) }
	kept, stopped := lastGood(), stoppedContext(t)
	r := record(kept)
	for _, text := range []string{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"} {
		r.Apply(config.Update{Config: upstreams(text)})
	}
	if err := kept.Run(stopped); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	again := lastGood()
	r = record(again)
	r.Apply(invalid)
	if diff := cmp.Diff([]string{"use last_good [192.0.2.3:53]", "refused stubDomains"}, r.did); diff != "" {
		t.Errorf("next start (-want +got):\n%s", diff)
	}
	r.Apply(config.Update{Config: upstreams("192.0.2.3:53")})
	if err := again.Run(stopped); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("an equal configuration was written again (%v)", err)
	}
}

// The log names an unusable file, with the reason.
func TestLastGoodUnusable(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "unexpected end of JSON",
		"{":                   "unexpected end of JSON",
		"[]":                  "cannot unmarshal array",
		`{"a":1}`:             "cannot unmarshal number",
		`{"stubDomains":"{"}`: "key stubDomains",
	} {
		path := filepath.Join(t.TempDir(), "good")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := record(config.NewLastGood(path, slog.New(slog.DiscardHandler)))
		r.Apply(invalid)
		for _, part := range []string{"cannot use the last good configuration", path, want} {
			if !strings.Contains(r.log.String(), part) {
				t.Errorf("%q: log\n%swant %q in it", text, &r.log, part)
			}
		}
		if diff := cmp.Diff([]string{"use default []", "refused stubDomains"}, r.did); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func stoppedContext(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
