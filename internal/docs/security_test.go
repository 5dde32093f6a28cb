package docs_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecurityBounds compares bounds in docs/security.md with the constants of the code.
func TestSecurityBounds(t *testing.T) {
	page := strings.Join(strings.Fields(read(t, filepath.Join(root, "docs/security.md"))), " ")
	for _, bound := range []struct{ text, file, constant, value string }{
		{"allow 5 s for the header of a request", "internal/httpd/server.go", "readHeaderTimeout", "5 * time.Second"},
		{"10 s for the whole request", "internal/httpd/server.go", "readTimeout", "10 * time.Second"},
		{"1 min for the reply", "internal/httpd/server.go", "writeTimeout", "time.Minute"},
		{"at most 16 KiB", "internal/httpd/server.go", "maxHeaderBytes", "16 << 10"},
		{"end after 3 min", "internal/httpd/server.go", "idleTimeout", "3 * time.Minute"},
		{"A port takes new queries for 10 seconds", "pkg/skydns/upstream/links.go", "maxLinkAge", "10 * time.Second"},
		{"up to 64 at a time, or more once 16 ports", "pkg/skydns/upstream/links.go", "linkLoad", "64"},
		{"up to 64 at a time, or more once 16 ports", "pkg/skydns/upstream/links.go", "maxLinks", "16"},
		{"up to 24 hours longer", "pkg/skydns/internal/cache/entry.go", "maxStale", "24 * time.Hour"},
		{"at most 4096 bytes (kube-dns)", "pkg/skydns/internal/udpbatch/doc.go", "MaxPacket", "4096"},
		{"| 4096 bytes; a larger one ends the connection", "pkg/skydns/tcpconn.go", "maxTCPQuery", "udpbatch.MaxPacket"},
		{"dnsmasq: 1500, then REFUSED", "pkg/dnsmasq/cmdline/added.go", "optForwardMax", `"--dns-forward-max=1500"`},
		{"connections of dnsmasq | 500", "pkg/dnsmasq/cmdline/added.go", "maxTCPClients", "500"},
		{"`--cache-size` bytes, at most a quarter of the memory limit", "cmd/kube-dns/flags.go", "cacheShare", "4"},
		{"(`--autopath`) | two seconds", "pkg/skydns/search.go", "searchTimeout", "2 * time.Second"},
		{"names of one address | 64", "pkg/dns/answer.go", "maxReverse", "64"},
		{"2 s for the first query", "pkg/skydns/tcp.go", "firstTimeout", "2 * time.Second"},
		{"8 s idle", "pkg/skydns/tcp.go", "idleTimeout", "8 * time.Second"},
		{"not read | 16 MiB in all", "pkg/skydns/tcp.go", "maxReplyBytes", "16 << 20"},
		{"or 2 s without reading", "pkg/skydns/tcpconn.go", "sendTimeout", "2 * time.Second"},
		{"another one waits 2 s", "cmd/kube-dns/status.go", "cacheWait", "2 * time.Second"},
		{"forwarded query | 4.2 s in all", "pkg/skydns/upstream/plan.go", "exchangeTimeout", "4200 * time.Millisecond"},
		{"asks for a buffer of 8 MiB", "pkg/skydns/sockets.go", "sendBuffer", "8 << 20"},
	} {
		if !strings.Contains(page, bound.text) {
			t.Errorf("docs/security.md has no %q: %s is %s", bound.text, bound.constant, bound.value)
		}
		if got := valueOf(t, bound.file, bound.constant); got != bound.value {
			t.Errorf("%s: %s is %q, and docs/security.md has %q", bound.file, bound.constant, got, bound.text)
		}
	}
}

// valueOf returns the expression of a constant; "" if the file has none of that name.
func valueOf(t *testing.T, file, name string) string {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, filepath.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			for i, id := range v.Names {
				if id.Name != name || i >= len(v.Values) {
					continue
				}
				var b bytes.Buffer
				if err := printer.Fprint(&b, fset, v.Values[i]); err != nil {
					t.Fatal(err)
				}
				return b.String()
			}
		}
	}
	return ""
}
