package corefile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flat returns a File as one line for each block and plugin.
func flat(f File) []string {
	var out []string
	for _, b := range f.Blocks {
		out = append(out, b.Place.String()+" "+strings.Join(b.Zones, "|"))
		for _, d := range b.Plugins {
			out = append(out, "  "+d.Place.String()+" "+d.String())
		}
	}
	return out
}

func TestRead(t *testing.T) {
	const kubeadm = `.:53 {
    errors # with a comment
    health {
       lameduck 5s
    }
    kubernetes {$ZONE} in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    template IN A x.example {
       answer "{{ .Name }} 60 IN A 192.0.2.1"
    }
}
`
	tests := map[string]struct {
		src  Source
		want []string
	}{
		"kubeadm": {Source{Text: kubeadm, Env: map[string]string{"ZONE": "k8s.example"}}, []string{
			"/c/Corefile:1 .:53",
			"  /c/Corefile:2 errors",
			"  /c/Corefile:3 health { lameduck 5s }",
			"  /c/Corefile:6 kubernetes k8s.example in-addr.arpa ip6.arpa { pods insecure; fallthrough in-addr.arpa " +
				"ip6.arpa; ttl 30 }",
			"  /c/Corefile:11 forward . /etc/resolv.conf { max_concurrent 1000 }",
			`  /c/Corefile:14 template IN A x.example { answer "{{ .Name }} 60 IN A 192.0.2.1" }`,
		}},
		"several zones": {Source{Text: "a.example, b.example:53,\nc.example {\n whoami\n}\n"}, []string{
			"/c/Corefile:1 a.example|b.example:53|c.example", "  /c/Corefile:3 whoami",
		}},
		"snippet": {Source{Text: "(s) {\n errors\n cache 30\n}\n. {\n import s\n loop\n}\nb.example {\n import s\n}\n"},
			[]string{
				"/c/Corefile:5 .", "  /c/Corefile:2 errors", "  /c/Corefile:3 cache 30", "  /c/Corefile:7 loop",
				"/c/Corefile:9 b.example", "  /c/Corefile:2 errors", "  /c/Corefile:3 cache 30",
			}},
		"imports": {Source{
			Text: ". {\n import custom/*.override\n whoami\n}\nimport custom/*.server\n",
			Files: map[string]string{
				"/c/custom/log.override": "log", "/c/custom/a.server": "a.example {\n forward . 192.0.2.1\n}\n",
				"/c/custom/none": "no",
			},
		}, []string{
			"/c/Corefile:1 .", "  /c/custom/log.override:1 log", "  /c/Corefile:3 whoami",
			"/c/custom/a.server:1 a.example", "  /c/custom/a.server:2 forward . 192.0.2.1",
		}},
		"import of nothing": {Source{Text: ". {\n import custom/*.override\n whoami\n}\n"}, []string{
			"/c/Corefile:1 .", "  /c/Corefile:3 whoami",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.src.Path = "/c/Corefile"
			file, err := Read(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, flat(file)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	// The operator's environment and files must not be read.
	t.Setenv("SECRET", "here")
	for text, want := range map[string]string{
		"":                     "Corefile:1: there is no server block",
		". {\n errors\n":       "Corefile:1: this brace is never closed",
		". {\n health {\n }\n": "Corefile:1: this brace is never closed",
		". {\n}\n}\n":          "Corefile:3: this closing brace has no opening brace",
		".\nerrors\n":          "Corefile:2: errors: want { after the zones of a server block",
		".":                    "Corefile:1: .: want { after the zones of a server block",
		"{\n}":                 "Corefile:1: this server block has no zone",
		". {\n {\n }\n}":       "Corefile:2: want the name of a plugin or an option before {",
		". {\n import\n}":      "Corefile:2: import needs one name: a snippet or a file",
		". {\n import {$SECRET}\n}": `Corefile:2: {$SECRET}: the container has no plain value for the variable "SECRET" ` +
			`in its env`,
		". {\n import /etc/passwd\n}": "Corefile:2: import /etc/passwd: there is no such snippet, and no ConfigMap " +
			"of the Deployment has /etc/passwd; mounted are /me",
		"(a) {\n import a\n}\n. {\n import a\n}": "Corefile:2: import a: it imports itself",
		"import /me":                             "/me:1: import /me: it imports itself",
		"(a) {\n errors\n":                       "Corefile:1: this brace is never closed",
	} {
		_, err := Read(Source{Path: "Corefile", Text: text, Files: map[string]string{"/me": "import /me"}})
		if err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(".:53 {\n errors\n import a\n}\n", "(a) {\n cache {$V}\n}\n")
	f.Add("import x/*\n(a) {\n b\n}\n", "a. {\n whoami\n}\n")
	f.Fuzz(func(t *testing.T, text, imported string) {
		file, err := Read(Source{
			Path: "/c/Corefile", Text: text, Env: map[string]string{"V": "30"},
			Files: map[string]string{"/c/x/a": imported, "/c/a": imported},
		})
		if err != nil {
			return
		}
		for _, b := range file.Blocks {
			if len(b.Zones) == 0 || b.Place.Line < 1 {
				t.Errorf("block %v", b)
			}
			for _, d := range b.Plugins {
				if d.Name == "{" || d.Name == "}" || d.Place.Line < 1 {
					t.Errorf("plugin %v", d)
				}
			}
		}
	})
}
