package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestHide(t *testing.T) {
	h := NewHider([]byte("secret"), "cluster.local")
	in := "10.244.1.7 asks shop.prod.svc.cluster.local. and www.secret-customer.example.com at 12:34:56 from " +
		"127.0.0.1, again shop.prod.svc.cluster.local, fd00:10::7, image registry.k8s.io/dns:1.2.3"
	out := h.Text(in)
	for _, secret := range []string{"10.244.1.7", "shop", "prod", "secret-customer", "fd00:10::7"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q is in %q", secret, out)
		}
	}
	for _, kept := range []string{"127.0.0.1", "12:34:56", "svc.cluster.local", "registry.k8s.io"} {
		if !strings.Contains(out, kept) {
			t.Errorf("%q is not in %q", kept, out)
		}
	}
	name := strings.Fields(out)[2]
	if strings.Count(out, strings.TrimSuffix(name, ".")) != 2 {
		t.Errorf("equal names have different hashes: %q", out)
	}
	if NewHider([]byte("other"), "cluster.local").Text(in) == out {
		t.Error("another secret gives the same hashes")
	}
}

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "kube-dns", time.Unix(0, 0), NewHider([]byte("secret"), "cluster.local"))
	for name, body := range map[string]string{"a.txt": "from 192.0.2.1", "pods/b.txt": "ok"} {
		if err := w.Add(name, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(zip)
	n := 0
	for ; ; n++ {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !strings.HasPrefix(h.Name, "kube-dns/") {
			t.Fatalf("%v: %v", h, err)
		}
		if body, _ := io.ReadAll(files); strings.Contains(string(body), "192.0.2.1") {
			t.Errorf("%s: %s", h.Name, body)
		}
	}
	if n != 2 || len(w.Files()) != 2 {
		t.Errorf("got %d files, want 2", n)
	}
}

// The index links each file, even if its name looks like a secret.
func TestIndex(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "kube-dns", time.Unix(0, 0), NewHider([]byte("secret"), "cluster.local"))
	for _, name := range []string{"check.json", "pods/a/kubedns.previous.log", "pods/a/status page"} {
		if err := w.Add(name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.AddIndex([]string{"fail <b> at 192.0.2.1"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(zip)
	var last *tar.Header
	var page []byte
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = h
		page, _ = io.ReadAll(files)
	}
	if last.Name != "kube-dns/index.html" {
		t.Fatalf("the last file is %s", last.Name)
	}
	for _, want := range []string{
		`href="./check.json"`, `href="./pods/a/kubedns.previous.log"`, `href="./pods/a/status%20page"`, "<h2>pods/a</h2>",
		"fail &lt;b&gt; at addr-",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("want %s in:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "192.0.2.1") {
		t.Errorf("an address is not hidden:\n%s", page)
	}
}
