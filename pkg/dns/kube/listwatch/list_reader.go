package listwatch

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
)

const (
	// maxObject bounds one object, in bytes. etcd refuses objects of more than 1.5 MB unless
	// configured otherwise.
	maxObject = 8 << 20
	// keptBuffer is the largest buffer that is reused.
	keptBuffer = 256 << 10
	// maxTrailer is how much is read after a list, so that the connection can be reused.
	maxTrailer = 4 << 10
)

// protobufMagic starts every object in protobuf.
const protobufMagic = "k8s\x00"

var (
	errNotAPI      = errors.New("the reply is neither Kubernetes protobuf nor JSON")
	errOtherKind   = errors.New("the reply has another kind of object")
	errBadProtobuf = errors.New("the reply is not valid protobuf")
)

// readList reads a list of the given type and calls each for every object, until it returns an
// error. The list itself would need many times the memory that is kept of it.
func readList(r io.Reader, want metav1.TypeMeta, each func(Raw) error) (metav1.ListMeta, error) {
	in := bufio.NewReader(r)
	first, err := in.Peek(1)
	switch {
	case err != nil:
		return metav1.ListMeta{}, cutOff(err)
	case first[0] == protobufMagic[0]:
		return readProtobufList(in, want, each)
	case first[0] == '{':
		return readJSONList(in, want, each)
	}
	return metav1.ListMeta{}, errNotAPI
}

// readProtobufList reads a list inside an Unknown of k8s.io/apimachinery/pkg/runtime. All lists
// have the same two fields (generated.proto of each API).
func readProtobufList(in *bufio.Reader, want metav1.TypeMeta, each func(Raw) error) (metav1.ListMeta, error) {
	magic := make([]byte, len(protobufMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != protobufMagic {
		return metav1.ListMeta{}, errNotAPI
	}
	const typeMeta, content = 1, 2
	envelope, typed := message{in: in, left: math.MaxInt64}, false
	for {
		field, size, err := envelope.next()
		switch {
		case err != nil:
			return metav1.ListMeta{}, err
		case field == typeMeta:
			var t kruntime.TypeMeta
			if err := envelope.decode(size, &t); err != nil {
				return metav1.ListMeta{}, err
			}
			if t.APIVersion != want.APIVersion || t.Kind != want.Kind {
				return metav1.ListMeta{}, fmt.Errorf("%w: %s of %s", errOtherKind, t.Kind, t.APIVersion)
			}
			typed = true
		case field == content && !typed:
			return metav1.ListMeta{}, errOtherKind // servers write the type first
		case field == content:
			list, err := readItems(&message{in: in, left: size, buf: envelope.buf}, each)
			if err == nil { // the rest is not needed
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

func readItems(m *message, each func(Raw) error) (list metav1.ListMeta, err error) {
	const metadata, items = 1, 2
	for m.left > 0 {
		field, size, err := m.next()
		if err != nil {
			return list, err
		}
		switch field {
		case metadata:
			err = m.decode(size, &list)
		case items:
			var data []byte
			if data, err = m.read(size); err == nil {
				err = each(Raw{Data: data})
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

// readJSONList is for servers and proxies without protobuf.
func readJSONList(in io.Reader, want metav1.TypeMeta, each func(Raw) error) (list metav1.ListMeta, err error) {
	d := json.NewDecoder(in)
	if _, err := d.Token(); err != nil {
		return list, cutOff(err)
	}
	typed := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return list, cutOff(err)
		}
		switch name {
		case "kind":
			var kind string
			if err = d.Decode(&kind); err == nil && kind != want.Kind {
				err = fmt.Errorf("%w: %s", errOtherKind, kind)
			}
			typed = true
		case "metadata":
			err = d.Decode(&list)
		case "items":
			err = readJSONItems(d, each)
		default:
			err = d.Decode(&json.RawMessage{})
		}
		if err != nil {
			return list, cutOff(err)
		}
	}
	if _, err = d.Token(); err != nil {
		return list, cutOff(err)
	}
	if !typed { // a front end's own page, not an empty list
		return list, fmt.Errorf("%w: kind is missing", errOtherKind)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(in, maxTrailer))
	return list, err
}

func readJSONItems(d *json.Decoder, each func(Raw) error) error {
	if open, err := d.Token(); err != nil || open == nil { // null is an empty list
		return err
	}
	for d.More() {
		var data json.RawMessage
		if err := d.Decode(&data); err != nil {
			return err
		}
		if err := each(Raw{Data: data, JSON: true}); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// A message is a protobuf message that is read field by field.
type message struct {
	in   *bufio.Reader
	left int64  // bytes of the message not read yet
	buf  []byte // reused for each field
}

// next returns the number of the next field, and the size to read or skip. The number is 0 for a
// field that is not length-delimited.
func (m *message) next() (field protowire.Number, size int64, err error) {
	// A tag and a number, of at most ten bytes each.
	head, err := m.in.Peek(int(min(m.left, 2*binary.MaxVarintLen64)))
	if len(head) == 0 {
		return 0, 0, cutOff(err)
	}
	field, kind, n := protowire.ConsumeTag(head)
	used := n
	switch {
	case n < 0:
	case kind == protowire.VarintType:
		field = 0
		_, n = protowire.ConsumeVarint(head[used:])
		used += n
	case kind == protowire.Fixed64Type:
		field, size = 0, 8
	case kind == protowire.Fixed32Type:
		field, size = 0, 4
	case kind == protowire.BytesType:
		var length uint64
		length, n = protowire.ConsumeVarint(head[used:])
		used += n
		if size = int64(length); n > 0 && (size < 0 || size > m.left-int64(used)) {
			return 0, 0, errBadProtobuf
		}
	default:
		return 0, 0, errBadProtobuf
	}
	if n < 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = protowire.ParseError(n)
		}
		if err = cutOff(err); !errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %w", errBadProtobuf, err)
		}
		return 0, 0, err
	}
	used, err = m.in.Discard(used)
	m.left -= int64(used)
	return field, size, err
}

// read returns a field of the given size. It is valid until the next read.
func (m *message) read(size int64) ([]byte, error) {
	if size > min(m.left, maxObject) {
		return nil, errBadProtobuf
	}
	m.buf = room(m.buf, int(size))
	n, err := io.ReadFull(m.in, m.buf)
	m.left -= int64(n)
	return m.buf, cutOff(err)
}

func (m *message) decode(size int64, into interface{ Unmarshal([]byte) error }) error {
	data, err := m.read(size)
	if err != nil {
		return err
	}
	if err := into.Unmarshal(data); err != nil {
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

// room returns a buffer of the given size, buf if possible. A large one is not kept, because few
// objects are large.
func room(buf []byte, size int) []byte {
	if cap(buf) > keptBuffer && size <= keptBuffer {
		buf = nil
	}
	return slices.Grow(buf[:0], size)[:size]
}

// cutOff returns err, with io.EOF as io.ErrUnexpectedEOF.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
