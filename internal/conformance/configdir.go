package conformance

import (
	"errors"
	"os"
	"path/filepath"
)

// Names that the kubelet uses in a ConfigMap volume.
const (
	dataLink      = "..data"
	dataDirPrefix = "..version-"
)

// WriteConfigDir replaces the files of a directory (key to content) as the kubelet does for a
// ConfigMap volume. The files are links through ..data, and all of them change at once when that
// link is replaced. An added or removed key is a dangling link for a moment. So a reader sees the
// old files, the new files, or an error, never a mixture.
func WriteConfigDir(dir string, files map[string]string) error {
	old, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	version, err := os.MkdirTemp(dir, dataDirPrefix)
	if err != nil {
		return err
	}
	if err := os.Chmod(version, 0o755); err != nil {
		return err
	}
	for key, content := range files {
		if err := os.WriteFile(filepath.Join(version, key), []byte(content), 0o644); err != nil {
			return err
		}
		err := os.Symlink(filepath.Join(dataLink, key), filepath.Join(dir, key))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if err := replaceLink(filepath.Join(dir, dataLink), filepath.Base(version)); err != nil {
		return err
	}
	for _, entry := range old {
		_, wanted := files[entry.Name()]
		if wanted || entry.Name() == dataLink {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// replaceLink makes path a link to target in one step.
func replaceLink(path, target string) error {
	temporary := path + ".new"
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
