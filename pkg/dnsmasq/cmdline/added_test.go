package cmdline

import (
	"strings"
	"testing"
)

func TestAddedOptions(t *testing.T) {
	const (
		forward = "--dns-forward-max=1500"
		tcp     = "--max-tcp-connections=500"
		older   = "-0, --dns-forward-max=<integer>  Maximum number of concurrent DNS queries.\n"
		newer   = older + "    --fast-dns-retry=<milliseconds>  Retry DNS queries.\n    --max-tcp-connections=<integer>  " +
			"Maximum number.\n"
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
			cmd, err := readWith(strings.Fields(strings.ReplaceAll(tt.args, "DIR", dir)), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(Added(cmd, tt.help, 0), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The number of TCP clients depends on the container's memory.
func TestTCPClients(t *testing.T) {
	for memory, want := range map[int64]int{0: 500, 1 << 30: 500, 170 << 20: 369, 40 << 20: 57, 20 << 20: 20,
		1 << 20: 20} {
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
		{"-k,-x,,--port=53", "-k -x  --port=53"},
		{"-k,--server,,--port=53", "-k --server  --port=53"},
		{"-k,--resolv-file,,--port=53", "-k --resolv-file --port=53"},
		{"-k,-x,--", "-k -x --"},
	} {
		args := strings.FieldsFunc(tt.args, func(r rune) bool { return r == ' ' })
		if strings.Contains(tt.args, ",") {
			args = strings.Split(strings.ReplaceAll(tt.args, " ", ""), ",")
		}
		got, why := Usable(args)
		if text := strings.Join(got, " "); text != tt.want || (len(why) > 0) == (tt.want == strings.Join(args, " ")) {
			t.Errorf("%q: got %q because of %q, want %q", args, text, why, tt.want)
		}
	}
}
