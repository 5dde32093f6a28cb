package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// dnsmasq 2.90 used these servers from the same file.
const resolvConf = `# comment
;nameserver 192.0.2.200
search example.com
options ndots:5
nameserver 192.0.2.1
  nameserver 192.0.2.2
nameserver	192.0.2.3 # comment
nameserver 192.0.2.4 192.0.2.201
nameserver 2001:db8::1
nameserver 2001:DB8::2
nameserver fe80::1%eth0
nameserver ::ffff:192.0.2.5
nameserver 192.0.2.1
server 192.0.2.8
nameserver
nameserver 192.0.2.202#5353
nameserver 192.0.2.203:5353
nameserver [2001:db8::3]:53
nameserver 010.0.0.1
nameserver 192.0.2.204,
nameserver ns.example.com
nameserver 0.0.0.0
NAMESERVER 192.0.2.205
` + "nameserver 192.0.2.6\r\nnameserver 192.0.2.7" // no newline at the end

// readResolvConf reads the nameservers of a file with this text.
func readResolvConf(t *testing.T, text string) []config.Nameserver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := config.ReadResolvConf(path)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReadResolvConf(t *testing.T) {
	want := []config.Nameserver{
		nameserver("192.0.2.1:53"),
		nameserver("192.0.2.2:53"),
		nameserver("192.0.2.3:53"),
		nameserver("192.0.2.4:53"),
		nameserver("[2001:db8::1]:53"),
		nameserver("[2001:db8::2]:53"),
		nameserver("[fe80::1%eth0]:53"),
		nameserver("192.0.2.5:53"),
		nameserver("192.0.2.1:53"),
		nameserver("192.0.2.8:53"),
		nameserver("192.0.2.6:53"),
		nameserver("192.0.2.7:53"),
	}
	if diff := cmp.Diff(want, readResolvConf(t, resolvConf), equateNameservers); diff != "" {
		t.Errorf("ReadResolvConf (-want +got):\n%s", diff)
	}
	if got := readResolvConf(t, ""); len(got) != 0 {
		t.Errorf("empty file: got %v, want none", got)
	}
}

func TestReadNoResolvConf(t *testing.T) {
	dir := t.TempDir()
	if got, err := config.ReadResolvConf(filepath.Join(dir, "resolv.conf")); got != nil || err != nil {
		t.Errorf("missing file: got %v, error %v, want none", got, err)
	}
	if got, err := config.ReadResolvConf(dir); err == nil {
		t.Errorf("a directory: got %v, want an error", got)
	}
}

func TestReadSearchDomains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	read := func(text string) ([]string, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.ReadSearchDomains(path)
	}
	for text, want := range map[string][]string{
		"":                                     nil,
		"nameserver 192.0.2.1\n":               nil,
		"search .\n":                           nil,
		"search Corp.Example. eu.corp.example": {"corp.example", "eu.corp.example"},
		"search a.example\nsearch b.example":   {"b.example"},
		"domain a.example b.example\n":         {"a.example"},
		"search a.example\n  search\n":         {"a.example"},
	} {
		got, err := read(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"search a..example", "search a_b.example", "search -", "search 192.0.2.1:53"} {
		if got, err := read(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got, err := config.ReadSearchDomains(path + ".none"); err == nil {
		t.Errorf("a missing file: %q", got)
	}
}
