// Package manifests embeds the manifests, for tools that write or apply them.
package manifests

import (
	"embed"
	"io/fs"
)

//go:embed base/*.yaml components/modern/*.yaml
var files embed.FS

// Files returns the folders base and components/modern.
func Files() fs.FS { return files }
