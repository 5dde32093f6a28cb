package cli_test

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cli"
)

// The error of a command line is one line, with the flag, the value and the accepted values.
func TestUsageErrors(t *testing.T) {
	gnu := func(args ...string) error {
		fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
		fs.Int("dns-port", 53, "")
		lameduck := time.Second
		fs.Var(cli.Duration(&lameduck), "lameduck", "")
		fs.Bool("fast-path", true, "")
		cli.AddGNUFlags(fs)
		var stdout bytes.Buffer
		err := cli.ParseGNU(fs, args, "about", &stdout)
		if stdout.Len() > 0 {
			t.Errorf("%q prints %s", args, &stdout)
		}
		return err
	}
	golang := func(args ...string) error {
		fs := flag.NewFlagSet("x", flag.ContinueOnError)
		fs.Duration("syncInterval", time.Second, "")
		fs.Bool("restartDnsmasq", false, "")
		fs.Int("count", 0, "")
		var stdout bytes.Buffer
		return cli.ParseGo(fs, args, "about", &stdout)
	}
	keepKlog(t)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{gnu("--v=high"), "--v=high: want a whole number, such as 2; see --help"},
		{gnu("--dns-port=dns"), "--dns-port=dns: want a whole number, such as 2; see --help"},
		{gnu("--lameduck=10"), "--lameduck=10: want a duration with its unit, such as 10s or 1m; see --help"},
		{gnu("--fast-path=maybe"), "--fast-path=maybe: want true or false; see --help"},
		{gnu("--dns_prot=1"), "unknown flag: --dns_prot (did you mean --dns-port?); see --help"},
		{gnu("-foo"), "unknown shorthand flag: 'f' in -foo; see --help"},
		{gnu("-f"), "unknown shorthand flag: 'f' in -f; see --help"},
		{gnu("--w"), "unknown flag: --w; see --help"},
		{gnu("-dns-port=1"), "unknown shorthand flag: 'd' in -dns-port=1 (did you mean --dns-port?); see --help"},
		{gnu("--lameduck=-1s"), "--lameduck=-1s: want a duration of 0 or more, such as 28s; see --help"},
		{gnu("--log-flush-frequency=-1s"), "--log-flush-frequency=-1s: must be greater than zero; see --help"},
		{gnu("--nothing-like-it"), "unknown flag: --nothing-like-it; see --help"},
		{gnu("--dns-port"), "flag needs an argument: --dns-port; see --help"},
		{gnu("--logtostderr=2"), "--logtostderr=2: want true or false; see --help"},
		{gnu("--log-flush-frequency=5"),
			"--log-flush-frequency=5: want a duration with its unit, such as 10s or 1m; see --help"},
		{golang("-syncInterval=10"), "-syncInterval=10: want a duration with its unit, such as 10s or 1m; see --help"},
		{golang("-count=many"), "-count=many: want a whole number, such as 2; see --help"},
		{golang("-restartDnsmasq=maybe"), "-restartDnsmasq=maybe: want true or false; see --help"},
		{golang("-restartDNSmask"),
			"flag provided but not defined: -restartDNSmask (did you mean -restartDnsmasq?); see --help"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
		if got := cli.ExitCode(tt.err); got != 2 {
			t.Errorf("%v: exit code %d, want 2", tt.err, got)
		}
	}
}
