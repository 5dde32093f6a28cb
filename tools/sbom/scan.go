package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// contents are the parts of an image, in path order.
type contents struct {
	programs []program
	debs     []deb
	distro   string // such as debian-12; empty without /etc/os-release

	licenses map[string]string // of Debian packages and Go modules, by their name
}

// A program is an executable built by the go command.
type program struct {
	path   string // in the image
	sha256 string
	info   *debug.BuildInfo
}

// A deb is a Debian package.
type deb struct {
	name, version, arch string
	source              string // name of the source package, if different
	homepage            string
}

const (
	debianDocs = "/usr/share/doc/"
	goLicenses = "/usr/share/kube-dns/licenses/"
)

// addLicense stores the license of a package if the file at a path of the image is a license.
func (c *contents) addLicense(inside string, data []byte) {
	if name, ok := strings.CutPrefix(inside, debianDocs); ok {
		if name, ok := strings.CutSuffix(name, "/copyright"); ok {
			c.licenses[name] = debianLicense(name, data)
		}
	}
	if name, ok := strings.CutPrefix(inside, goLicenses); ok {
		if license := goLicense(data); license != "" {
			module := path.Dir(name)
			c.licenses[module] = all([]string{c.licenses[module], license})
		}
	}
}

// statusDir has one file for each package in images without dpkg.
const statusDir = "/var/lib/dpkg/status.d/"

func scan(root string) (contents, error) {
	c := contents{licenses: map[string]string{}}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		below, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		inside := "/" + filepath.ToSlash(below)
		c.addLicense(inside, data)
		if inside == "/etc/os-release" {
			c.distro = parseRelease(data)
			return nil
		}
		if strings.HasPrefix(inside, statusDir) {
			p, err := parseStatus(data)
			if err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
			c.debs = append(c.debs, p)
			return nil
		}
		if info, err := buildinfo.Read(bytes.NewReader(data)); err == nil {
			sum := sha256.Sum256(data)
			c.programs = append(c.programs, program{inside, hex.EncodeToString(sum[:]), info})
		}
		return nil
	})
	return c, err
}

// parseRelease reads the system and its version from os-release(5).
func parseRelease(data []byte) string {
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[key] = strings.Trim(value, `"'`)
	}
	return strings.TrimSuffix(fields["ID"]+"-"+fields["VERSION_ID"], "-")
}

// parseStatus reads one entry of dpkg's status file (deb-control(5)).
func parseStatus(data []byte) (deb, error) {
	fields := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == ' ' || line[0] == '\t' {
			continue // continues the field above
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return deb{}, fmt.Errorf("line %q is no field", line)
		}
		fields[key] = strings.TrimSpace(value)
	}
	if err := lines.Err(); err != nil {
		return deb{}, err
	}
	source, _, _ := strings.Cut(fields["Source"], " ") // its version can follow
	p := deb{fields["Package"], fields["Version"], fields["Architecture"], source, fields["Homepage"]}
	if p.name == "" || p.version == "" {
		return deb{}, fmt.Errorf("there is no Package or no Version")
	}
	return p, nil
}
