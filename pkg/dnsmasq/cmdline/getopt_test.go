package cmdline

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseArgs(t *testing.T) {
	tests := map[string]struct {
		args []string
		want []option
		err  string
	}{
		"nothing": {},
		"stock manifest": {[]string{"-k", "--cache-size=1000", "--no-negcache", "--dns-loop-detect",
			"--log-facility=-"}, []option{{"keep-in-foreground", ""}, {"cache-size", "1000"}, {"no-negcache", ""},
			{"dns-loop-detect", ""}, {"log-facility", "-"}}, ""},
		"value of its own": {[]string{"--server", "192.0.2.1", "-p", "5353"},
			[]option{{"server", "192.0.2.1"}, {"port", "5353"}}, ""},
		"value looks like an option": {[]string{"--server", "--no-resolv"}, []option{{"server", "--no-resolv"}}, ""},
		"cluster": {[]string{"-kNR"},
			[]option{{"keep-in-foreground", ""}, {"no-negcache", ""}, {"no-resolv", ""}}, ""},
		"cluster, value at its end": {[]string{"-kNp5353"},
			[]option{{"keep-in-foreground", ""}, {"no-negcache", ""}, {"port", "5353"}}, ""},
		"cluster, value behind it": {[]string{"-kS", "192.0.2.1", "-R"},
			[]option{{"keep-in-foreground", ""}, {"server", "192.0.2.1"}, {"no-resolv", ""}}, ""},
		"the value takes the rest": {[]string{"-SkR"}, []option{{"server", "kR"}}, ""},
		"cut": {[]string{"--no-res", "--servers=f", "--dns-forw", "3"},
			[]option{{"no-resolv", ""}, {"servers-file", "f"}, {"dns-forward-max", "3"}}, ""},
		"whole, though others begin so": {[]string{"--server=192.0.2.1", "--local=/a/"},
			[]option{{"server", "192.0.2.1"}, {"local", "/a/"}}, ""},
		"empty value": {[]string{"--pid-file=", "--server="}, []option{{"pid-file", ""}, {"server", ""}},
			""},
		"value may be absent": {[]string{"--resolv-file", "-k"},
			[]option{{"resolv-file", ""}, {"keep-in-foreground", ""}}, ""},
		"ambiguous": {[]string{"-k", "--serv=192.0.2.1", "-N"},
			[]option{{"keep-in-foreground", ""}, {"no-negcache", ""}}, "option --serv is ambiguous: --server, --servers-file"},
		"unknown": {[]string{"--abc", "-k"}, []option{{"keep-in-foreground", ""}},
			"option --abc is unknown"},
		"unknown in a cluster":       {[]string{"-k!"}, []option{{"keep-in-foreground", ""}}, "option -! is unknown"},
		"value where none belongs":   {[]string{"--no-resolv=yes"}, nil, "option --no-resolv takes no value"},
		"value missing":              {[]string{"--server"}, nil, "option --server needs a value"},
		"value missing in a cluster": {[]string{"-kS"}, []option{{"keep-in-foreground", ""}}, "option -S needs a value"},
		"no option": {[]string{"-k", "foo"}, []option{{"keep-in-foreground", ""}},
			`"foo" is not an option`},
		"value behind an option that wants = for it": {[]string{"--user", "root"}, []option{{"user", ""}},
			`"root" is not an option`},
		"single dash": {[]string{"-"}, nil, `"-" is not an option`},
		"double dash": {[]string{"--"}, nil, `"--" is not an option`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseArgs(tt.args)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(option{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			if text := errText(err); text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestParseArgsLikeDnsmasq compares the arguments that we accept with those that dnsmasq accepts.
func TestParseArgsLikeDnsmasq(t *testing.T) {
	path := dnsmasqPath(t)
	for _, args := range []string{
		"-kNRp5353", "-k -p 5353", "-kp", "-kS192.0.2.1", "-S", "-Z9", "-1", "-1x", "-u root", "-u", "-!",
		"--no-resolv", "--no-res", "--no-re", "--no-r", "--no-resolv=1",
		"--server=192.0.2.1", "--server 192.0.2.1", "--server", "--serv=192.0.2.1", "--servers=f", "--se",
		"--resolv-file", "--resolv-file=f", "--resolv-file f", "--user root", "--user=root", "--us",
		"--dns-forward-max=3", "--dns-forward-max", "--dns-f=3", "--dns=3", "--cache-si=3", "--cache=3",
		"--enable-dbus", "--local-service", "--add-mac=text", "--fast-dns-retry",
		"--log-q", "--log-queries=extra", "--local=/a/", "--port=5353", "--abc", "foo", "-- foo", "-k -",
	} {
		t.Run(args, func(t *testing.T) {
			out, dnsmasqErr := exec.Command(path, append([]string{"--test", "-C/dev/null"},
				strings.Fields(args)...)...).CombinedOutput()
			_, err := parseArgs(strings.Fields(args))
			if args == "-- foo" || args == "foo" || args == "-k -" {
				// dnsmasq calls it junk, we call it not an option.
				if dnsmasqErr == nil || err == nil {
					t.Errorf("accepted: by us %v, by dnsmasq %v", err == nil, dnsmasqErr == nil)
				}
				return
			}
			if (err == nil) != (dnsmasqErr == nil) {
				t.Errorf("our error: %v; dnsmasq: %v %s", err, dnsmasqErr, out)
			}
		})
	}
}

func TestParseConf(t *testing.T) {
	const text = `# a comment
no-resolv
 	strict-order   # another
server=192.0.2.1#5353 # a port, then a comment
server = "/a#b/192.0.2.2"
servers-file="/a dir/with \"quotes\"#1"
port=53#not a comment

conf-file=
user=root` + "\r\n"
	want := []option{
		{"no-resolv", ""}, {"strict-order", ""}, {"server", "192.0.2.1#5353"}, {"server", "/a#b/192.0.2.2"},
		{"servers-file", `/a dir/with "quotes"#1`}, {"port", "53#not a comment"}, {"conf-file", ""}, {"user", "root"},
	}
	if diff := cmp.Diff(want, parseConf([]byte(text)), cmp.AllowUnexported(option{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func FuzzParseArgs(f *testing.F) {
	for _, seed := range []string{
		"-k\x00--server\x00/a/192.0.2.1", "-kNp5353", "--serv", "--", "-", "", "--no-resolv=", "-S", "--servers-file=\x00x",
		"--=x", "-\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		options, _ := parseArgs(strings.Split(text, "\x00"))
		known := newGrammar().long
		for _, o := range options {
			rule, ok := known[o.name]
			if !ok || rule == noValue && o.value != "" {
				t.Errorf("%q gives %+v", text, o)
			}
			// The understood options are understood again in full form.
			spelled := "--" + o.name
			if o.value != "" {
				spelled += "=" + o.value
			} else if rule == needsValue {
				spelled += "="
			}
			again, err := parseArgs([]string{spelled})
			if err != nil || len(again) != 1 || again[0] != o {
				t.Errorf("%q gives %+v, spelled out as %q %+v, %v", text, o, spelled, again, err)
			}
		}
	})
}

func FuzzParseConf(f *testing.F) {
	for _, seed := range []string{"no-resolv\n", "server=1.2.3.4#53 # x", "a=\"b\\\"#\" #", "=", "\"", "\\", "#\n=#",
		"\xff=\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range parseConf(b) {
			if o.name == "" || strings.ContainsAny(o.name, "=\n") || strings.Contains(o.value, "\n") {
				t.Errorf("%q gives %+v", b, o)
			}
		}
	})
}

// dnsmasqPath returns the path of the real dnsmasq.
func dnsmasqPath(t testing.TB) string {
	t.Helper()
	const path = "/usr/sbin/dnsmasq"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnsmasq must be installed for the tests: %v", err)
		}
		t.Skipf("dnsmasq is not installed (Debian: dnsmasq-base): %v", err)
	}
	return path
}

// TestOptions: every option becomes one argument, in any given form.
func TestOptions(t *testing.T) {
	args := []string{"-kc", "abc", "--port", "53", "--resolv", "-Sx", "--listen-address=", "--unknown",
		"--log-queries=extra"}
	want := []string{"--keep-in-foreground", "--cache-size=abc", "--port=53", "--resolv-file", "--server=x",
		"--listen-address=", "--log-queries=extra"}
	if diff := cmp.Diff(want, Options(args)); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}
