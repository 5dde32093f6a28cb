package kube

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// acceptMetadata asks for metadata and nothing else: an audit is not worth whole
// objects. Servers offer it from 1.15 on; older ones answer 406.
const acceptMetadata = protobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// maxMetadata bounds the metadata of one object, in bytes. etcd refuses objects
// of more than 1.5 MB unless it is told otherwise.
const maxMetadata = 8 << 20

// maxTrailer is how much is read behind the list, so that the connection can be
// used again.
const maxTrailer = 4 << 10

var errNoMetadata = errors.New("the answer is not metadata")

// A shownState is what a server shows of a kind.
type shownState struct {
	objects map[kubedns.Key]kubedns.ObjectVersion
	version uint64 // of the list; 0 when it is no number
}

// states lists in which states the objects are, as the server's watch cache has
// them: that costs the server little. errNoMetadata means that it cannot.
func (r resource[T]) states(ctx context.Context) (shownState, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	body, err := r.request(r.api.calls, metav1.ListOptions{ResourceVersion: "0"}).SetHeader("Accept", acceptMetadata).Stream(ctx)
	if apierrors.IsNotAcceptable(err) || apierrors.IsUnsupportedMediaType(err) {
		err = fmt.Errorf("%w: %w", errNoMetadata, err)
	}
	if err != nil {
		return shownState{}, fmt.Errorf("list metadata of %s: %w", r.name, err)
	}
	defer body.Close()
	shown := shownState{objects: map[kubedns.Key]kubedns.ObjectVersion{}}
	list, err := readMetadata(body, func(m *metav1.ObjectMeta) {
		shown.objects[kubedns.Key{Namespace: m.Namespace, Name: m.Name}] = kubedns.ObjectVersion{UID: string(m.UID), Version: m.ResourceVersion}
	})
	if err == nil && list.Continue != "" {
		err = errors.New("the list is not complete")
	}
	if err != nil {
		return shownState{}, fmt.Errorf("list metadata of %s: %w", r.name, err)
	}
	shown.version = number(list.ResourceVersion)
	return shown, nil
}

// protobufMagic begins every answer of an API server in protobuf.
const protobufMagic = "k8s\x00"

// readMetadata reads a PartialObjectMetadataList in protobuf and calls each with
// one object after the other: the list as a whole would take many times the
// memory of what is kept of it. each must not keep what it gets.
//
// The messages are Unknown of k8s.io/apimachinery/pkg/runtime, around the ones of
// pkg/apis/meta/v1 (generated.proto in both).
func readMetadata(r io.Reader, each func(*metav1.ObjectMeta)) (metav1.ListMeta, error) {
	in := bufio.NewReader(r)
	magic := make([]byte, len(protobufMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != protobufMagic {
		return metav1.ListMeta{}, errNoMetadata
	}
	const typeMeta, raw = 1, 2
	envelope, typed := message{in: in, left: math.MaxInt64}, false
	for {
		field, size, err := envelope.next()
		switch {
		case err != nil:
			return metav1.ListMeta{}, err
		case field == typeMeta:
			var t kruntime.TypeMeta
			if err := envelope.read(size, &t); err != nil {
				return metav1.ListMeta{}, err
			}
			if t.APIVersion != "meta.k8s.io/v1" || t.Kind != "PartialObjectMetadataList" {
				return metav1.ListMeta{}, fmt.Errorf("%w but %s of %s", errNoMetadata, t.Kind, t.APIVersion)
			}
			typed = true
		case field == raw && !typed:
			return metav1.ListMeta{}, errNoMetadata // servers write the type first
		case field == raw:
			list, err := readList(&message{in: in, left: size, buf: envelope.buf}, each)
			if err == nil { // what follows says nothing
				_, err = io.Copy(io.Discard, io.LimitReader(in, maxTrailer))
			}
			return list, err
		default:
			if err := envelope.skip(size); err != nil {
				return metav1.ListMeta{}, err
			}
		}
	}
}

func readList(m *message, each func(*metav1.ObjectMeta)) (list metav1.ListMeta, err error) {
	const metadata, items = 1, 2
	for m.left > 0 {
		field, size, err := m.next()
		if err != nil {
			return list, err
		}
		switch field {
		case metadata:
			err = m.read(size, &list)
		case items:
			var o metav1.PartialObjectMetadata
			if err = m.read(size, &o); err == nil {
				each(&o.ObjectMeta)
			}
		default:
			err = m.skip(size)
		}
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// A message is a protobuf message that is read field by field.
type message struct {
	in   *bufio.Reader
	left int64  // bytes of the message that were not read yet
	buf  []byte // used again for each field
}

var errBadProtobuf = errors.New("the answer is not valid protobuf")

// next returns the number of the next field, and the size of what is to be read
// or skipped next. Fields that are no messages have nothing to read.
func (m *message) next() (field uint64, size int64, err error) {
	tag, err := binary.ReadUvarint(m)
	if err != nil {
		return 0, 0, cutOff(err)
	}
	switch tag & 7 {
	case 0: // a number
		_, err = binary.ReadUvarint(m)
		return 0, 0, cutOff(err)
	case 1:
		return 0, 8, nil
	case 5:
		return 0, 4, nil
	case 2: // bytes
		n, err := binary.ReadUvarint(m)
		if err == nil && n > uint64(m.left) {
			err = errBadProtobuf
		}
		return tag >> 3, int64(n), cutOff(err)
	}
	return 0, 0, errBadProtobuf
}

// read decodes a field of the given size.
func (m *message) read(size int64, into interface{ Unmarshal([]byte) error }) error {
	if size > min(m.left, maxMetadata) {
		return errBadProtobuf
	}
	m.buf = slices.Grow(m.buf[:0], int(size))[:size]
	n, err := io.ReadFull(m.in, m.buf)
	m.left -= int64(n)
	if err != nil {
		return cutOff(err)
	}
	if err := into.Unmarshal(m.buf); err != nil {
		return fmt.Errorf("%w: %w", errBadProtobuf, err)
	}
	return nil
}

func (m *message) skip(size int64) error {
	if size > m.left {
		return errBadProtobuf
	}
	n, err := io.CopyN(io.Discard, m.in, size)
	m.left -= n
	return cutOff(err)
}

// ReadByte implements io.ByteReader.
func (m *message) ReadByte() (byte, error) {
	if m.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	b, err := m.in.ReadByte()
	if err == nil {
		m.left--
	}
	return b, err
}

// cutOff is err, for an end that came too early.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
