package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

func TestParseNameserver(t *testing.T) {
	tests := []struct {
		in, want string // want is empty for an error
	}{
		{"192.0.2.1", "192.0.2.1:53"},
		{"192.0.2.1:5353", "192.0.2.1:5353"},
		{"192.0.2.1:65535", "192.0.2.1:65535"},
		{"2001:db8::1", "[2001:db8::1]:53"},
		{"2001:db8::1:53", "[2001:db8::1:53]:53"},
		{"[2001:db8::1]:5353", "[2001:db8::1]:5353"},
		{"::1", "[::1]:53"},
		{"::ffff:192.0.2.1", "192.0.2.1:53"},
		{"[::ffff:192.0.2.1]:54", "192.0.2.1:54"},
		{"", ""},
		{" 192.0.2.1", ""},
		{"192.0.2.1:", ""},
		{"192.0.2.1:0", ""},
		{"192.0.2.1:-1", ""},
		{"192.0.2.1:+53", ""},
		{"192.0.2.1:65536", ""},
		{"192.0.2.1:domain", ""},
		{"192.0.2", ""},
		{"192.0.2.1.", ""},
		{"192.0.2.256", ""},
		{"010.0.0.1", ""},
		{"0x7f.0.0.1", ""},
		{"192.0.2.1#53", ""},
		{"[192.0.2.1]:53", ""},
		{"[2001:db8::1]", ""},
		{"[2001:db8::1]:", ""},
		{"2001:db8::1%eth0", ""},
		{"[fe80::1%eth0]:53", ""},
		{"ns.example.com", ""},
		{"ns.example.com:53", ""},
		{"192.0.2.1,192.0.2.2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			ns, err := config.ParseNameserver(tt.in)
			var got string
			if err == nil {
				got = ns.String()
			}
			if got != tt.want {
				t.Errorf("got %q (error %v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestParseNameserverList(t *testing.T) {
	tests := []struct {
		name, in string
		want     []config.Nameserver
		err      string
	}{
		{name: "empty"},
		{name: "blank", in: " "},
		{name: "one", in: "192.0.2.1", want: []config.Nameserver{nameserver("192.0.2.1:53")}},
		{
			name: "order is kept, blanks are not", in: "192.0.2.2:5353, 192.0.2.1,[2001:db8::1]:54",
			want: []config.Nameserver{nameserver("192.0.2.2:5353"), nameserver("192.0.2.1:53"), nameserver("[2001:db8::1]:54")},
		},
		{
			name: "empty element", in: "192.0.2.1,",
			err: `"": want an IP address, with a port if it is not 53: ` +
				`192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353`,
		},
		{
			name: "bad port", in: "192.0.2.1,192.0.2.2:0",
			err: `"192.0.2.2:0": a port is a number from 1 to 65535`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config.ParseNameserverList(tt.in)
			if errText(err) != tt.err {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, equateNameservers); diff != "" {
				t.Errorf("ParseNameserverList (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFederations(t *testing.T) {
	tests := []struct {
		name, in string
		want     map[string]string
		err      string
	}{
		{name: "empty"},
		{name: "one", in: "myfed=fed.example.com", want: map[string]string{"myfed": "fed.example.com"}},
		{
			name: "blanks", in: "\ta = one.example ,\n b=two.example\n",
			want: map[string]string{"a": "one.example", "b": "two.example"},
		},
		{
			name: "no equals sign", in: "a=one.example,b",
			err: `"b": want name=domain, for example myfed=fed.example.com`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config.ParseFederations(tt.in)
			if errText(err) != tt.err {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseFederations (-want +got):\n%s", diff)
			}
		})
	}
}

// errText returns the text of err, "" for nil.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
