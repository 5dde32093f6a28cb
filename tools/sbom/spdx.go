package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A document is an SPDX 2.3 document in its JSON form (ISO/IEC 5962).
type document struct {
	Version       string         `json:"spdxVersion"`
	DataLicense   string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	CreationInfo  creationInfo   `json:"creationInfo"`
	Packages      []spdxPackage  `json:"packages"`
	Relationships []relationship `json:"relationships"`
	Extracted     []extracted    `json:"hasExtractedLicensingInfos,omitempty"`
}

// An extracted license is one that SPDX has no name for.
type extracted struct {
	ID   string `json:"licenseId"`
	Text string `json:"extractedText"`
}

type creationInfo struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID            string        `json:"SPDXID"`
	Name          string        `json:"name"`
	Version       string        `json:"versionInfo,omitempty"`
	File          string        `json:"packageFileName,omitempty"`
	Download      string        `json:"downloadLocation"`
	FilesAnalyzed bool          `json:"filesAnalyzed"`
	Purpose       string        `json:"primaryPackagePurpose,omitempty"`
	Homepage      string        `json:"homepage,omitempty"`
	SourceInfo    string        `json:"sourceInfo,omitempty"`
	Checksums     []checksum    `json:"checksums,omitempty"`
	License       string        `json:"licenseConcluded"`
	Declared      string        `json:"licenseDeclared"`
	Copyright     string        `json:"copyrightText"`
	Refs          []externalRef `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const noAssertion = "NOASSERTION"

// newDocument says what an image is made of.
func newDocument(name, version string, at time.Time, c contents) document {
	d := document{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: name + "-" + version,
		CreationInfo: creationInfo{at.UTC().Format(time.RFC3339), []string{"Tool: kube-dns/tools/sbom"}},
	}
	image := d.add("Image", spdxPackage{Name: name, Version: version, Purpose: "CONTAINER"})
	d.relate(d.ID, "DESCRIBES", image)
	for _, p := range c.programs {
		id := d.add("Program"+p.path, spdxPackage{
			Declared: "Apache-2.0",
			Name:     p.info.Path, Version: moduleVersion(p.info.Main, version), File: p.path, Purpose: "APPLICATION",
			Checksums: []checksum{{"SHA256", p.sha256}},
		})
		d.relate(image, "CONTAINS", id)
		d.relate(id, "DEPENDS_ON", d.golang("stdlib", strings.TrimPrefix(p.info.GoVersion, "go"), "", c.licenses["go"]))
		for _, m := range p.info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			d.relate(id, "DEPENDS_ON", d.golang(m.Path, m.Version, m.Sum, c.licenses[m.Path]))
		}
	}
	for _, p := range c.debs {
		d.relate(image, "CONTAINS", d.debian(p, c.distro, c.licenses[p.name]))
	}
	d.license()
	// A namespace of its own for each content, as the specification demands.
	data, err := json.Marshal(d)
	if err != nil {
		panic("sbom: " + err.Error()) // strings only
	}
	sum := sha256.Sum256(data)
	d.Namespace = "https://github.com/kube-dns/kube-dns/spdx/" + url.PathEscape(d.Name) + "-" + hex.EncodeToString(sum[:16])
	return d
}

// license declares the license of the image, which is that of all its parts, and lists
// the licenses without a name.
func (d *document) license() {
	var parts []string
	refs := map[string]string{}
	for _, p := range d.Packages {
		parts = append(parts, p.Declared)
		for _, id := range regexp.MustCompile(refPrefix+`[A-Za-z0-9.-]+`).FindAllString(p.Declared, -1) {
			refs[id] = strings.TrimSpace(refs[id] + " " + debianDocs + p.Name + "/copyright")
		}
	}
	if whole := all(parts); whole != "" {
		d.Packages[0].Declared, d.Packages[0].License = whole, whole
	}
	for _, id := range slices.Sorted(maps.Keys(refs)) {
		d.Extracted = append(d.Extracted, extracted{id, "The text is in the image: " + refs[id]})
	}
}

func moduleVersion(m debug.Module, version string) string {
	if m.Version == "" || m.Version == "(devel)" {
		return version
	}
	return m.Version
}

// golang adds a Go module and returns its ID.
func (d *document) golang(path, version, sum, license string) string {
	p := spdxPackage{Name: path, Version: version, Purpose: "LIBRARY", Declared: license, Refs: purl("golang/" + path + "@" + version)}
	if sum != "" {
		p.SourceInfo = "module checksum " + sum
	}
	return d.add("Go", p)
}

// debian adds a package of Debian and returns its ID.
func (d *document) debian(p deb, distro, license string) string {
	q := url.Values{"arch": {p.arch}}
	if distro != "" {
		q.Set("distro", distro)
	}
	locator := "deb/debian/" + url.PathEscape(p.name) + "@" + url.QueryEscape(p.version) + "?" + q.Encode()
	out := spdxPackage{Name: p.name, Version: p.version, Homepage: p.homepage, Declared: license, Refs: purl(locator)}
	if p.source != "" {
		out.SourceInfo = "built from source package " + p.source
	}
	return d.add("Debian", out)
}

func purl(locator string) []externalRef {
	return []externalRef{{"PACKAGE-MANAGER", "purl", "pkg:" + locator}}
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// add adds a package unless the document has it, and returns its ID.
func (d *document) add(kind string, p spdxPackage) string {
	p.ID = "SPDXRef-" + notInID.ReplaceAllString(kind+"-"+p.Name+"-"+p.Version, "-")
	p.Download, p.Copyright = noAssertion, noAssertion
	if p.Declared == "" {
		p.Declared = noAssertion
	}
	p.License = p.Declared
	for _, other := range d.Packages {
		if other.ID == p.ID {
			return p.ID
		}
	}
	d.Packages = append(d.Packages, p)
	return p.ID
}

func (d *document) relate(from, kind, to string) {
	d.Relationships = append(d.Relationships, relationship{from, kind, to})
}
