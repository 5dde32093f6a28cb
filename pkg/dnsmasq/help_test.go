package dnsmasq

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadHelp: the options of dnsmasq are read; an error names the cause.
func TestReadHelp(t *testing.T) {
	help, err := readHelp(t.Context(), dnsmasqPath(t))
	if err != nil || !strings.Contains(help, "--dns-forward-max=") {
		t.Errorf("options of dnsmasq: %v\n%s", err, help)
	}
	if _, err := readHelp(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v for a program that is missing", err)
	}
}

// TestOlderDnsmasq: a dnsmasq that lacks an option does not get it.
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
