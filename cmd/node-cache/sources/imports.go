package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
)

// maxImports limits files that import each other.
const maxImports = 1000

// imports returns a hash of the files that a Corefile imports, also indirectly, or "".
func imports(path, text string) string {
	sum, seen := sha256.New(), map[string]bool{}
	var follow func(path, text string)
	follow = func(path, text string) {
		for _, pattern := range corefile.Imports(text) {
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(path), pattern)
			}
			files, _ := filepath.Glob(pattern) // CoreDNS reports a bad pattern
			for _, file := range files {
				if seen[file] || len(seen) >= maxImports {
					continue
				}
				seen[file] = true
				content, err := os.ReadFile(file)
				fmt.Fprintln(sum, file, err, len(content), string(content))
				follow(file, string(content))
			}
		}
	}
	follow(path, text)
	if len(seen) == 0 {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}
