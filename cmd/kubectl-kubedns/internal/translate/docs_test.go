package translate

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the codes into docs/move.md")

// The page has all codes.
func TestDocs(t *testing.T) {
	const page, heading = "../../../../docs/move.md", "## Codes\n\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), heading)
	var b strings.Builder
	b.WriteString(before + heading + "| code | what differs, or is refused |\n| --- | --- |\n")
	behaviours := map[string]Behaviour{}
	for _, d := range Behaviours() {
		behaviours[d.Code] = d
	}
	for _, c := range Codes() {
		b.WriteString("| <a id=\"" + strings.ToLower(c.Code) + "\"></a>" + c.Code + " | " + c.Text)
		if d, ok := behaviours[c.Code]; ok {
			b.WriteString(". kube-dns: " + d.KubeDNS + ". CoreDNS: " + d.CoreDNS + ". To find clients: " + d.Find)
		}
		b.WriteString(" |\n")
	}
	want := strings.ReplaceAll(b.String(), "*.svc.NS.svc.ZONE", "`*.svc.NS.svc.ZONE`")
	want = strings.ReplaceAll(want, "kubedns_*, skydns_*, dnsmasq_*", "`kubedns_*`, `skydns_*`, `dnsmasq_*`")
	want = strings.ReplaceAll(want, "coredns_*", "`coredns_*`")
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if string(text) != want && !*update {
		t.Errorf("the codes are out of date: go -C cmd/kubectl-kubedns test ./internal/translate -update")
	}
}
