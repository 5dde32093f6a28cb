package dnsmasq

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddedOptions(t *testing.T) {
	const (
		forward = "--dns-forward-max=1500"
		tcp     = "--max-tcp-connections=500"
		older   = "-0, --dns-forward-max=<integer>  Maximum number of concurrent DNS queries.\n"
		newer   = older + "    --fast-dns-retry=<milliseconds>  Retry DNS queries.\n    --max-tcp-connections=<integer>  Maximum number.\n"
	)
	tests := map[string]struct {
		args, help string
		want       string
	}{
		"dnsmasq 2.90":          {"-k", newer, forward + " " + tcp},
		"an older one":          {"-k", older, forward},
		"it does not tell":      {"-k", "", forward},
		"the first is set":      {"-k -0 300", newer, tcp},
		"the first is set, cut": {"-k --dns-f=300", newer, tcp},
		"the second is set":     {"-k --max-tcp-connections 30", newer, forward},
		"all are set in a file": {"-k -C DIR/limits.conf", newer, ""},
	}
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"limits.conf": "dns-forward-max=1\nmax-tcp-connections=2\n"})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd, err := readCommandLine(strings.Fields(strings.ReplaceAll(tt.args, "DIR", dir)), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(addedOptions(cmd, tt.help, 0), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestReadHelp: dnsmasq tells its options; an error names what went wrong.
func TestReadHelp(t *testing.T) {
	help, err := readHelp(t.Context(), dnsmasqPath(t))
	if err != nil || !knows(help, optForwardMax) || knows(help, "--dns-forward=1") {
		t.Errorf("options of dnsmasq: %v\n%s", err, help)
	}
	if _, err := readHelp(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v for a program that is missing", err)
	}
}

// TestOlderDnsmasq: a dnsmasq that does not know an option does not get it.
func TestOlderDnsmasq(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) {
		o.Exec = wrapped(t, `if [ "$1" = --help ]; then echo "-0, --dns-forward-max=<integer>"; exit; fi
for a; do case $a in --max-tcp*) echo "bad option $a" >&2; exit 1 ;; esac; done`)
	})
	r.configure()
	r.waitLog(1, answersLine)
	r.waitLog(1, `msg="adding options that dnsmasq's arguments do not set" options="\[--dns-forward-max=1500\]`)
}

// The number of TCP clients follows from the container's memory.
func TestTCPClients(t *testing.T) {
	for memory, want := range map[int64]int{0: 500, 1 << 30: 500, 170 << 20: 369, 40 << 20: 57, 20 << 20: 20, 1 << 20: 20} {
		if got := tcpClients(memory); got != want {
			t.Errorf("%d MiB: got %d clients, want %d", memory>>20, got, want)
		}
	}
}

func TestUsableArgs(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-k --port=53", "-k --port=53"},
		{"-d", "-d"},
		{"--keep-in-f --port=53", "--keep-in-f --port=53"},
		{"--port=53", "--keep-in-foreground --port=53"},
		{"-k,,--port=53,", "-k --port=53"},
		{"-k --port=53 --", "-k --port=53"},
		{"-k, --", "-k"},
	} {
		args := strings.FieldsFunc(tt.args, func(r rune) bool { return r == ' ' })
		if strings.Contains(tt.args, ",") {
			args = strings.Split(strings.ReplaceAll(tt.args, " ", ""), ",")
		}
		got, why := usableArgs(args)
		if text := strings.Join(got, " "); text != tt.want || (len(why) > 0) == (tt.want == strings.Join(args, " ")) {
			t.Errorf("%q: got %q because of %q, want %q", args, text, why, tt.want)
		}
	}
}
