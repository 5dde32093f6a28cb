// Package bundle writes support bundles: archives with the state of a kube-dns, without secrets,
// and with hashed names and addresses.
package bundle

import (
	"archive/tar"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// A Writer writes one archive. Close completes it.
type Writer struct {
	Hide *Hider // nil: hide nothing
	dir  string
	now  time.Time
	zip  *gzip.Writer
	tar  *tar.Writer
	list []File
}

// A File is one file of the archive.
type File struct {
	Name string
	Size int64
}

// NewWriter returns a writer of an archive with all files in the folder dir.
func NewWriter(w io.Writer, dir string, now time.Time, hide *Hider) *Writer {
	zip := gzip.NewWriter(w)
	return &Writer{Hide: hide, dir: dir, now: now, zip: zip, tar: tar.NewWriter(zip)}
}

// Add writes a file.
func (w *Writer) Add(name string, body []byte) error {
	if w.Hide != nil {
		body = []byte(w.Hide.Text(string(body)))
	}
	return w.add(name, body)
}

// add writes a file unchanged.
func (w *Writer) add(name string, body []byte) error {
	header := &tar.Header{Name: w.dir + "/" + name, Mode: 0o644, Size: int64(len(body)), ModTime: w.now}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	w.list = append(w.list, File{name, int64(len(body))})
	_, err := w.tar.Write(body)
	return err
}

// Files returns the files written so far.
func (w *Writer) Files() []File { return w.list }

// Close completes the archive.
func (w *Writer) Close() error {
	if err := w.tar.Close(); err != nil {
		return err
	}
	return w.zip.Close()
}

// A Hider replaces addresses and labels of names with hashes. Equal inputs have equal hashes within
// one bundle. The secret is not stored in the bundle.
type Hider struct {
	secret []byte
	zone   string
}

// NewHider returns a hider for the names of a zone without a final dot.
func NewHider(secret []byte, zone string) *Hider {
	return &Hider{secret: secret, zone: strings.Trim(zone, ".")}
}

var (
	address = regexp.MustCompile(`(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:]*`)
	dotted  = regexp.MustCompile(`\b(?:[A-Za-z0-9_*-]+\.){2,}[A-Za-z]{2,}\b`)
)

// public are the suffixes of names that belong to Kubernetes, not to users.
var public = []string{".k8s.io", ".kubernetes.io", ".gcr.io", "kubernetes.default.svc", "github.com", ".kube-dns.io"}

// Text returns a text with hashed addresses and names of more than two labels. Names in the zone
// keep their suffix.
func (h *Hider) Text(text string) string {
	text = address.ReplaceAllStringFunc(text, func(a string) string {
		parsed, err := netip.ParseAddr(a)
		if err != nil || parsed.IsLoopback() || parsed.IsUnspecified() {
			return a // a time, or an address that every machine has
		}
		return "addr-" + h.hash(a)
	})
	return dotted.ReplaceAllStringFunc(text, func(name string) string {
		for _, end := range public {
			if strings.Contains(name, end) {
				return name
			}
		}
		suffix := ".svc." + h.zone
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			labels := strings.Split(rest, ".")
			for i, l := range labels {
				labels[i] = "n" + h.hash(l)
			}
			return strings.Join(labels, ".") + suffix
		}
		return "name-" + h.hash(strings.ToLower(name))
	})
}

func (h *Hider) hash(s string) string {
	mac := hmac.New(sha256.New, h.secret)
	fmt.Fprint(mac, s)
	return hex.EncodeToString(mac.Sum(nil)[:4])
}
