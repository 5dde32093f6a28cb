package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// root is a folder with one Go program, which is this test, and one package.
func root(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"program":                     program,
		"text":                        []byte("no program"),
		"etc/os-release":              []byte("PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n"),
		"usr/share/doc/tag/copyright": []byte("Format: x\n\nFiles: *\nLicense: GPL-2 or custom\n"),
		"var/lib/dpkg/status.d/tag": []byte(`Package: tag
Version: 1:2.3+b1
Architecture: amd64
Source: tags (2.3)
Homepage: https://tag.example
Description: x
 Name: none
`),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDocument(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-name", "image", "-version", "v1", "-created", "86400", root(t)}, &out,
		io.Discard); err != nil {
		t.Fatal(err)
	}
	d, err := json.Read(&out)
	if err != nil {
		t.Fatal(err)
	}
	if name := d.DocumentName; d.CreationInfo.Created != "1970-01-02T00:00:00Z" || name != "image-v1" ||
		!strings.Contains(d.DocumentNamespace, "image-v1-") {
		t.Errorf("got %q of %s in %s", name, d.CreationInfo.Created, d.DocumentNamespace)
	}
	purls := map[string]string{}
	ids := map[common.ElementID]bool{d.SPDXIdentifier: true}
	for _, p := range d.Packages {
		if ids[p.PackageSPDXIdentifier] {
			t.Errorf("ID %s is there twice", p.PackageSPDXIdentifier)
		}
		ids[p.PackageSPDXIdentifier] = true
		for _, ref := range p.PackageExternalReferences {
			purls[p.PackageName] = ref.Locator
		}
		if want := "(GPL-2.0-only OR LicenseRef-Debian-custom)"; p.PackageName == "tag" &&
			p.PackageLicenseDeclared != want {
			t.Errorf("package tag: license is %s, want %s", p.PackageLicenseDeclared, want)
		}
		if p.PackageName == "tag" && p.PackageSourceInfo != "built from source package tags" {
			t.Errorf("package tag: sourceInfo is %q", p.PackageSourceInfo)
		}
	}
	if want := "pkg:deb/debian/tag@1%3A2.3%2Bb1?arch=amd64&distro=debian-12"; purls["tag"] != want {
		t.Errorf("package tag: got %q, want %q", purls["tag"], want)
	}
	if !strings.HasPrefix(purls["stdlib"], "pkg:golang/stdlib@1.") {
		t.Errorf("stdlib: got %q", purls["stdlib"])
	}
	wantOther := []*spdx.OtherLicense{{
		LicenseIdentifier: "LicenseRef-Debian-custom",
		ExtractedText:     "The text is in the image: /usr/share/doc/tag/copyright",
	}}
	if diff := cmp.Diff(wantOther, d.OtherLicenses); diff != "" {
		t.Errorf("licenses without a name (-want +got):\n%s", diff)
	}
	if got := d.Packages[0].PackageLicenseDeclared; got != "(GPL-2.0-only OR LicenseRef-Debian-custom) AND Apache-2.0" {
		t.Errorf("the image has the license %s", got)
	}
	contains := false
	for _, r := range d.Relationships {
		if !ids[r.RefA.ElementRefID] || !ids[r.RefB.ElementRefID] {
			t.Errorf("%v: one end is not in the document", r)
		}
		contains = contains || r.RefA.ElementRefID == "Image-image-v1" && r.Relationship == "CONTAINS" &&
			r.RefB.ElementRefID == "Debian-tag-1-2.3-b1"
	}
	if !contains {
		t.Errorf("the image does not contain the package: %v", d.Relationships)
	}
}

// TestLicenses reads copyright files of Debian in both forms, and texts of Go modules.
func TestLicenses(t *testing.T) {
	dep5 := "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
	for _, tt := range []struct{ name, text, want string }{
		{"two licenses to choose from", dep5 +
			"Files: *\nCopyright: x\nLicense: GPL-2 or GPL-3\n\nLicense: GPL-2\n text\n", "(GPL-2.0-only OR GPL-3.0-only)"},
		{"several files", dep5 + "Files: *\nLicense: LGPL-2.1+\n\nFiles: a\nLicense: Expat\n text\n\n" +
			"Files: b\nLicense: LGPL-2.1+\n", "LGPL-2.1-or-later AND MIT"},
		{"exception", dep5 + "Files: *\nLicense: GPL-3+ with Autoconf exception\n",
			"GPL-3.0-or-later WITH Autoconf-exception-2.0"},
		{"comma", dep5 + "Files: *\nLicense: GPL-2+ or AFL-2.1, and Expat\n", "(GPL-2.0-or-later OR AFL-2.1) AND MIT"},
		{"no name", dep5 + "Files: *\nLicense: public-domain\n", "LicenseRef-Debian-public-domain"},
		{"prose", "This is GNU libc, see /usr/share/common-licenses/LGPL-2.1 and\n/usr/share/common-licenses/GPL-2.\n",
			"GPL-2.0-or-later AND LGPL-2.1-or-later"},
		{"prose without a number", "in `/usr/share/common-licenses/LGPL'; and /usr/share/common-licenses/GPL-2'.",
			"GPL-2.0-or-later AND LGPL-2.1-or-later"},
		{"nothing", "See elsewhere.\n", "LicenseRef-Debian-tag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := debianLicense("tag", []byte(tt.text)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	text, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	if got := goLicense(text); got != "Apache-2.0" {
		t.Errorf("our license: got %q, want Apache-2.0", got)
	}
	if got := goLicense([]byte("All rights reserved.")); got != "" {
		t.Errorf("no license: got %q, want none", got)
	}
}

// TestModules reads the modules that programs record in themselves, including replacements. A
// module that two programs link is listed once.
func TestModules(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0", Path: "example.org/program", Main: debug.Module{Path: "example.org", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.org/a", Version: "v1.0.0", Sum: "h1:a"},
			{Path: "example.org/b", Version: "v1.0.0",
				Replace: &debug.Module{Path: "example.org/fork", Version: "v1.1.0"}},
			{Path: "example.org/c", Version: "v0.0.0", Replace: &debug.Module{Path: "../..", Version: "(devel)"}},
		},
	}
	d, err := newDocument("image", "v2", time.Time{}, contents{
		programs: []program{{"/one", "00", info}, {"/two", "11", info}},
		licenses: map[string]string{
			"go":            "BSD-3-Clause",
			"example.org/a": "MIT",
			"example.org/b": "ISC",
			"example.org/c": "0BSD",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range d.Packages {
		got = append(got, strings.Join(strings.Fields(p.PackageName+" "+p.PackageVersion+" "+p.PackageFileName+" "+
			p.PackageSourceInfo+" "+p.PackageLicenseDeclared), " "))
	}
	want := []string{
		"image v2 0BSD AND Apache-2.0 AND BSD-3-Clause AND ISC AND MIT", "example.org/program v2 /one Apache-2.0",
		"stdlib 1.26.0 BSD-3-Clause", "example.org/a v1.0.0 module checksum h1:a MIT", "example.org/fork v1.1.0 ISC",
		"example.org/c v2 0BSD", "example.org/program v2 /two Apache-2.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

func TestSameBytes(t *testing.T) {
	dir := root(t)
	var outs [2]bytes.Buffer
	for i := range outs {
		if err := run([]string{"-name", "image", "-version", "v1", dir}, &outs[i], io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(outs[0].String(), outs[1].String()); diff != "" {
		t.Errorf("two documents of one folder differ:\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, statusDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, status, want string }{
		{"no field", "nonsense\n", "is no field"},
		{"no version", "Package: tag\n", "no Version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, statusDir, "tag"), []byte(tt.status), 0o600); err != nil {
				t.Fatal(err)
			}
			err := run([]string{"-name", "image", "-version", "v1", dir}, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
