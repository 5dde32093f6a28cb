package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// Parse returns an equal configuration for the Format of any accepted one.
func FuzzParse(f *testing.F) {
	dirs, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, dir := range dirs {
		if dir.Name() == "fuzz" { // inputs that failed once
			continue
		}
		files, _, err := config.Read(filepath.Join("testdata", dir.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(files["federations"], files["stubDomains"], files["upstreamNameservers"])
	}
	f.Fuzz(func(t *testing.T, federations, stubs, upstreams string) {
		cfg, err := config.Parse(map[string]string{
			"federations":         federations,
			"stubDomains":         stubs,
			"upstreamNameservers": upstreams,
		})
		if err != nil {
			if key, ok := errors.AsType[*config.KeyError](err); !ok || key.Reason == "" {
				t.Fatalf("got error %#v, want a *KeyError with a reason", err)
			}
			return
		}
		for _, stub := range cfg.StubDomains {
			checkDomain(t, stub.Domain)
			for _, server := range stub.Servers {
				if server.Host != "" {
					checkDomain(t, server.Host)
				} else {
					checkNameserver(t, server.Nameserver)
				}
			}
		}
		for _, ns := range cfg.Upstreams {
			checkNameserver(t, ns)
		}
		config.Warnings(cfg, "cluster.local.")

		text := config.Format(cfg)
		again, err := config.Parse(text)
		if err != nil {
			t.Fatalf("Format gave %q: %v", text, err)
		}
		if !config.Equal(cfg, again) {
			t.Errorf("Parse gave %+v, and of its Format %q %+v", cfg, text, again)
		}
		if diff := cmp.Diff(text, config.Format(again)); diff != "" {
			t.Errorf("Format changes what Format wrote (-first +second):\n%s", diff)
		}
	})
}

func FuzzNameserver(f *testing.F) {
	for _, s := range []string{
		"", "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53", "::ffff:192.0.2.1",
		"192.0.2.1:", "192.0.2.1:0", "010.0.0.1", "[2001:db8::1]", "fe80::1%eth0", "[fe80::1%eth0]:53",
		"ns.example.com", "192.0.2.1, 192.0.2.2:5353", "192.0.2.1,",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ns, err := config.ParseNameserver(s); err == nil {
			checkNameserver(t, ns)
			again, err := config.ParseNameserver(ns.String())
			if err != nil || again != ns {
				t.Errorf("%q gave %v, and that gave %v, error %v", s, ns, again, err)
			}
		}
		list, err := config.ParseNameserverList(s)
		if err != nil {
			return
		}
		var parts []string
		for _, ns := range list {
			parts = append(parts, ns.String())
		}
		again, err := config.ParseNameserverList(strings.Join(parts, ","))
		if diff := cmp.Diff(list, again, equateNameservers); err != nil || diff != "" {
			t.Errorf("list %q does not survive String: error %v, diff %s", s, err, diff)
		}
	})
}

func FuzzFederations(f *testing.F) {
	for _, s := range []string{
		"", " ", "a=b.example", " a = b , c=d.example\n", "a", "a=", "=b", "a=b,", "a=b=c", "a.b=c", "A=b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		federations, err := config.ParseFederations(s)
		if err != nil {
			return
		}
		for name, domain := range federations {
			checkDomain(t, domain)
			checkDomain(t, name)
			if strings.Contains(name, ".") {
				t.Errorf("name %q is no label", name)
			}
		}
		text := config.Format(config.Config{Federations: federations})["federations"]
		again, err := config.ParseFederations(text)
		if diff := cmp.Diff(federations, again); err != nil || diff != "" {
			t.Errorf("%q gave %v, its Format %q error %v, diff %s", s, federations, text, err, diff)
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	f.Add(resolvConf)
	f.Add("nameserver fe80::1%eth0\nnameserver ::\n")
	f.Fuzz(func(t *testing.T, before string) {
		list := readResolvConf(t, before)
		var text strings.Builder
		for _, ns := range list {
			if ns.Port() != 53 {
				t.Errorf("got %v, want port 53", ns)
			}
			text.WriteString("nameserver " + ns.Addr().String() + "\n")
		}
		again := readResolvConf(t, text.String())
		if diff := cmp.Diff(list, again, equateNameservers); diff != "" {
			t.Errorf("does not survive being written (-first +second):\n%s", diff)
		}
	})
}

// checkNameserver checks the invariants of a Nameserver from user text.
func checkNameserver(t *testing.T, ns config.Nameserver) {
	t.Helper()
	if !ns.IsValid() || ns.Port() == 0 || ns.Addr().Zone() != "" || ns.Addr().Is4In6() {
		t.Errorf("nameserver %v is not one", ns)
	}
}

// checkDomain checks that s is safe in an argument or file of dnsmasq.
func checkDomain(t *testing.T, s string) {
	t.Helper()
	if s == "" || len(s) > 253 || strings.Contains(s, "..") ||
		strings.ContainsFunc(s, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-.", r)
		}) {
		t.Errorf("%q is no domain name", s)
	}
}
