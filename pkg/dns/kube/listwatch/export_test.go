package listwatch

import (
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ErrNotAPI is errNotAPI.
var ErrNotAPI = errNotAPI

// ReadMetadata is readList for metadata.
func ReadMetadata(r io.Reader, each func(*metav1.ObjectMeta)) (metav1.ListMeta, error) {
	return readList(r, metadataList, func(o Raw) error {
		m, err := metadataOf(o)
		if err == nil {
			each(&m)
		}
		return err
	})
}
