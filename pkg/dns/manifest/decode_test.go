package manifest_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/manifest"
)

var update = flag.Bool("update", false, "rewrite the .want files of testdata")

// TestDecodeFiles decodes each good-* and invalid-* file of testdata. The file with .want appended
// has the result: objects and warnings, or the error.
func TestDecodeFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".want") {
			continue
		}
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := manifest.Decode(name, data)
			if invalid := strings.HasPrefix(name, "invalid-"); invalid != (err != nil) {
				t.Fatalf("error %v", err)
			}
			got := text(objects)
			if err != nil {
				got = err.Error() + "\n"
			}
			if *update {
				if err := os.WriteFile(file+".want", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// text prints objects, one line per fact.
func text(o manifest.Objects) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(o.All)) {
		switch o := o.All[id].(type) {
		case *kubedns.Service:
			serviceText(&b, o)
		case *kubedns.Endpoints:
			kind, _, _ := strings.Cut(id, " ")
			endpointsText(&b, kind, o)
		case *kubedns.Location:
			fmt.Fprint(&b, id)
			if o != nil {
				fmt.Fprintf(&b, " in %s of %s", o.Zone, o.Region)
			}
			fmt.Fprintln(&b)
		}
	}
	fmt.Fprintf(&b, "%d ignored\n", o.Ignored)
	for _, w := range o.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

func serviceText(b *strings.Builder, s *kubedns.Service) {
	fmt.Fprintf(b, "Service %s", s.Key)
	switch {
	case s.ExternalName != "":
		fmt.Fprintf(b, " -> %s", s.ExternalName)
	case s.Headless:
		fmt.Fprint(b, " headless")
	default:
		fmt.Fprintf(b, " %s", s.ClusterIPs)
	}
	if s.PublishNotReady {
		fmt.Fprint(b, " publishes addresses that are not ready")
	}
	fmt.Fprintf(b, "%s\n", ports(s.Ports))
}

func endpointsText(b *strings.Builder, kind string, e *kubedns.Endpoints) {
	fmt.Fprintf(b, "%s %s of Service %s\n", kind, e.Key, e.Service)
	for _, s := range e.Subsets {
		for _, p := range s.Endpoints {
			fmt.Fprintf(b, "  %s %q ready=%v%s\n", p.Addr, p.Hostname, p.Ready, ports(s.Ports))
		}
	}
}

func ports(list []kubedns.Port) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, " %s/%s:%d", p.Name, p.Protocol, p.Number)
	}
	return b.String()
}

func TestDecodeManyWarnings(t *testing.T) {
	var b strings.Builder
	for range 1000 {
		b.WriteString("--- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1}}\n")
	}
	objects, err := manifest.Decode("many.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects.All) != 1 || len(objects.Warnings) != 10 {
		t.Errorf("got %d objects and %d warnings, want 1 and 10", len(objects.All), len(objects.Warnings))
	}
}

// TestDecodeHostile has inputs that would use much memory or time without limits.
func TestDecodeHostile(t *testing.T) {
	list := func(n int) string {
		return strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, n) + strings.Repeat("]}", n)
	}
	aliases := func(n, deep int) string { // each with the previous one in so many lists
		var b strings.Builder
		b.WriteString("a0: &a0 x\n")
		for i := range n {
			fmt.Fprintf(&b, "a%d: &a%d %s*a%d %s\n", i+1, i+1, strings.Repeat("[", deep), i, strings.Repeat("]", deep))
		}
		return b.String()
	}
	tests := []struct {
		name, data string
		want       string // part of the error; "" means none
	}{
		{"lists in lists", list(8), ""},
		{"too many lists in lists", list(9), "hostile:1: List: items: more than 8 Lists within each other"},
		{"a very deep list", list(100_000), "hostile:1: "},
		{"deep brackets", strings.Repeat("[", 100_000), "hostile:1: this is not right YAML: exceeded max depth"},
		{"deep dashes", strings.Repeat("- ", 100_000), "exceeded max depth"},
		{"deep braces", strings.Repeat(`{"a":`, 1_000_000), "hostile:1: "},
		{
			"a long text repeated by aliases",
			"a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 1000) + "]",
			"the aliases (*name) of this document add more than 1 MiB to it",
		},
		{"a mapping that merges itself", "a: &a {<<: *a}",
			"hostile:1: this is not right YAML: exceeded max depth of 10000: does an alias (*name) contain itself?"},
		{"deep aliases", "a: &a " + strings.Repeat("[", 6000) + strings.Repeat("]", 6000) + "\nb: " +
			strings.Repeat("[", 6000) + "*a" + strings.Repeat("]", 6000), "exceeded max depth"},
		{"aliases within aliases", aliases(3, 9000), "hostile:3: this is not right YAML: exceeded max depth of 10000"},
		{
			"a wrong field after deep braces",
			`{"apiVersion": "v1", "kind": "Service", "x": ` + strings.Repeat(`{"key":`, 9000) + "1" +
				strings.Repeat("}", 9000) + `, "metadata": {"name": 1}}`,
			"hostile:1: Service: metadata.name: want text, got 1: put it in quotes",
		},
		{"an alias to itself", "a: &a [*a]", "does an alias (*name) contain itself?"},
		{"many values", "[" + strings.Repeat("1,", 1<<19) + "1]", "hostile:1: more than 300000 values are too many for YAML"},
		{"many empty items", strings.Repeat("-\u2028", 1<<19), "hostile:1: more than 300000 values are too many for YAML"},
		{"an endless key", "? " + strings.Repeat("k", 1<<20), "kind: is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := manifest.Decode("hostile", []byte(tt.data))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got error %.200v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestDecodeWide: a file with values of two bytes does not need many times its size.
func TestDecodeWide(t *testing.T) {
	for name, most := range map[string]uint64{"wide.yaml": 2, "wide.json": 10} {
		data := []byte("[" + strings.Repeat("1,", 4<<20) + "1]")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := manifest.Decode(name, data); err == nil {
			t.Errorf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most*uint64(len(data)) {
			t.Errorf("%s: %d bytes allocated for a file of %d, want at most %d times its size", name, got, len(data), most)
		}
	}
}

// FuzzDecode: for any bytes, Decode returns objects that can be served, or an error that starts
// with file and line.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*-*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(strings.Repeat("[", 20_000)))
	f.Add([]byte("a: &a [x]\nb: *a\n"))
	f.Add([]byte("--- |\n---\n...\n--- >-\n  a\n%TAG ! x\n"))
	f.Add([]byte("\xff\xfea\x00:\x00 \x00b\x00"))
	line := regexp.MustCompile(`^fuzz\.\w+:(\d+): .`)
	ends := regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]") // as in YAML 1.1
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"fuzz.yaml", "fuzz.json"} {
			objects, err := manifest.Decode(name, data)
			if err == nil {
				checkServable(t, objects)
				continue
			}
			m := line.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("error %q does not begin with file and line", err)
			}
			if n, _ := strconv.Atoi(m[1]); n < 1 || n > 1+len(ends.FindAll(data, -1)) {
				t.Errorf("error %q names a line that is not there", err)
			}
		}
	})
}

func checkServable(t *testing.T, o manifest.Objects) {
	for _, o := range o.All {
		switch o := o.(type) {
		case *kubedns.Service:
			if o.Name == "" || o.Namespace == "" || strings.ContainsAny(o.Name+o.Namespace, ". ") {
				t.Errorf("Service with key %q", o.Key)
			}
			checkPorts(t, o.Ports)
		case *kubedns.Endpoints:
			if o.Name == "" || o.Namespace == "" || o.Service == "" {
				t.Errorf("endpoints with key %q of %q", o.Key, o.Service)
			}
			for _, s := range o.Subsets {
				checkPorts(t, s.Ports)
				for _, p := range s.Endpoints {
					if !p.Addr.IsValid() || p.Addr.Zone() != "" || strings.Contains(p.Hostname, ".") {
						t.Errorf("endpoint %v", p)
					}
				}
			}
		}
	}
}

func checkPorts(t *testing.T, ports []kubedns.Port) {
	for _, p := range ports {
		if p.Name == "" || p.Number == 0 || p.Protocol == "" {
			t.Errorf("port %v", p)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	var text, list strings.Builder
	list.WriteString(`{"apiVersion":"v1","kind":"List","items":[`)
	for i := range 10_000 {
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web-%d\n  namespace: shop\nspec:\n"+
			"  clusterIP: 10.%d.%d.1\n  ports:\n  - name: http\n    port: 80\n    protocol: TCP\n", i, i/256, i%256)
		if i > 0 {
			list.WriteString(",\n")
		}
		fmt.Fprintf(&list, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web-%d","namespace":"shop"},`+
			`"spec":{"clusterIP":"10.%d.%d.1","ports":[{"name":"http","port":80,"protocol":"TCP"}]}}`, i, i/256, i%256)
	}
	list.WriteString("]}")
	for _, bm := range []struct{ name, data string }{{"10k.yaml", text.String()}, {"10k.json", list.String()}} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.data)))
			for b.Loop() {
				if _, err := manifest.Decode(bm.name, []byte(bm.data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
