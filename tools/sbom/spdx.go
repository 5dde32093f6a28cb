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

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const noAssertion = "NOASSERTION"

// A document is an SPDX 2.3 document (ISO/IEC 5962).
type document struct{ spdx.Document }

// newDocument lists the contents of an image.
func newDocument(name, version string, at time.Time, c contents) (*document, error) {
	d := &document{spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: name + "-" + version,
		CreationInfo: &spdx.CreationInfo{
			Created:  at.UTC().Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "kube-dns/tools/sbom"}},
		},
	}}
	image := d.add("Image", spdx.Package{PackageName: name, PackageVersion: version,
		PrimaryPackagePurpose: "CONTAINER"})
	d.relate(d.SPDXIdentifier, common.TypeRelationshipDescribe, image)
	for _, p := range c.programs {
		d.program(image, p, version, c.licenses)
	}
	for _, p := range c.debs {
		d.relate(image, common.TypeRelationshipContains, d.debian(p, c.distro, c.licenses[p.name]))
	}
	d.license()
	// The specification requires a unique namespace for each content.
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	d.DocumentNamespace = "https://github.com/kube-dns/kube-dns/spdx/" + url.PathEscape(d.DocumentName) + "-" +
		hex.EncodeToString(sum[:16])
	return d, nil
}

// program adds a program of the image with its linked Go modules.
func (d *document) program(image common.ElementID, p program, version string, licenses map[string]string) {
	id := d.add("Program"+p.path, spdx.Package{
		PackageName: p.info.Path, PackageVersion: moduleVersion(p.info.Main, version), PackageFileName: p.path,
		PackageLicenseDeclared: "Apache-2.0", PrimaryPackagePurpose: "APPLICATION",
		PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: p.sha256}},
	})
	d.relate(image, common.TypeRelationshipContains, id)
	modules := []*debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(p.info.GoVersion, "go")}}
	for _, m := range append(modules, p.info.Deps...) {
		license := licenses[m.Path]
		if m.Path == "stdlib" {
			license = licenses["go"]
		}
		switch r := m.Replace; {
		case r == nil:
		case r.Version == "" || r.Version == "(devel)": // a folder next to the program: our own module
			m = &debug.Module{Path: m.Path, Version: version}
		default:
			m = r // its license is stored under the replaced name
		}
		d.relate(id, common.TypeRelationshipDependsOn, d.module(m, license))
	}
}

// license declares the license of the image, which is that of all its parts, and lists the licenses
// unknown to SPDX.
func (d *document) license() {
	var parts []string
	refs := map[string]string{}
	for _, p := range d.Packages {
		parts = append(parts, p.PackageLicenseDeclared)
		for _, id := range regexp.MustCompile(refPrefix+`[A-Za-z0-9.-]+`).FindAllString(p.PackageLicenseDeclared, -1) {
			refs[id] = strings.TrimSpace(refs[id] + " " + debianDocs + p.PackageName + "/copyright")
		}
	}
	if whole := all(parts); whole != "" {
		d.Packages[0].PackageLicenseDeclared, d.Packages[0].PackageLicenseConcluded = whole, whole
	}
	for _, id := range slices.Sorted(maps.Keys(refs)) {
		text := "The text is in the image: " + refs[id]
		d.OtherLicenses = append(d.OtherLicenses, &spdx.OtherLicense{LicenseIdentifier: id, ExtractedText: text})
	}
}

func moduleVersion(m debug.Module, version string) string {
	if m.Version == "" || m.Version == "(devel)" {
		return version
	}
	return m.Version
}

// module adds a Go module and returns its ID.
func (d *document) module(m *debug.Module, license string) common.ElementID {
	p := spdx.Package{
		PackageName: m.Path, PackageVersion: m.Version, PrimaryPackagePurpose: "LIBRARY",
		PackageLicenseDeclared:    license,
		PackageExternalReferences: purl("golang/" + m.Path + "@" + m.Version),
	}
	if m.Sum != "" {
		p.PackageSourceInfo = "module checksum " + m.Sum
	}
	return d.add("Go", p)
}

// debian adds a package of Debian and returns its ID.
func (d *document) debian(p deb, distro, license string) common.ElementID {
	q := url.Values{"arch": {p.arch}}
	if distro != "" {
		q.Set("distro", distro)
	}
	locator := "deb/debian/" + url.PathEscape(p.name) + "@" + url.QueryEscape(p.version) + "?" + q.Encode()
	out := spdx.Package{
		PackageName: p.name, PackageVersion: p.version, PackageHomePage: p.homepage, PackageLicenseDeclared: license,
		PackageExternalReferences: purl(locator),
	}
	if p.source != "" {
		out.PackageSourceInfo = "built from source package " + p.source
	}
	return d.add("Debian", out)
}

func purl(locator string) []*spdx.PackageExternalReference {
	return []*spdx.PackageExternalReference{{
		Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: "pkg:" + locator,
	}}
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// add adds a package unless the document has it, and returns its ID.
func (d *document) add(kind string, p spdx.Package) common.ElementID {
	p.PackageSPDXIdentifier = common.ElementID(
		notInID.ReplaceAllString(kind+"-"+p.PackageName+"-"+p.PackageVersion, "-"))
	p.PackageDownloadLocation, p.PackageCopyrightText = noAssertion, noAssertion
	if p.PackageLicenseDeclared == "" {
		p.PackageLicenseDeclared = noAssertion
	}
	p.PackageLicenseConcluded = p.PackageLicenseDeclared
	for _, other := range d.Packages {
		if other.PackageSPDXIdentifier == p.PackageSPDXIdentifier {
			return p.PackageSPDXIdentifier
		}
	}
	d.Packages = append(d.Packages, &p)
	return p.PackageSPDXIdentifier
}

func (d *document) relate(from common.ElementID, kind string, to common.ElementID) {
	d.Relationships = append(d.Relationships, &spdx.Relationship{
		RefA: common.DocElementID{ElementRefID: from}, RefB: common.DocElementID{ElementRefID: to}, Relationship: kind,
	})
}
