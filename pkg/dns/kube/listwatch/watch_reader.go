package listwatch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
)

// An Event is one event of a watch. Its object is valid until the next event is
// read.
type Event struct {
	Kind   EventKind
	Object Raw
}

// An EventKind is the type of an event.
type EventKind string

// The kinds of events. ERROR is returned as an error.
const (
	Added    EventKind = "ADDED"
	Modified EventKind = "MODIFIED"
	Deleted  EventKind = "DELETED"
	Bookmark EventKind = "BOOKMARK"
)

// A Reader reads the events of a watch. client-go's reader turns broken connections into ordinary
// ends of a watch. This one returns each error unchanged.
type Reader struct {
	in     *bufio.Reader
	object metav1.TypeMeta // of the objects, in protobuf
	json   *json.Decoder   // nil for protobuf
	frame  []byte
	begun  bool
}

// NewReader returns a reader of in, a watch of objects of the given type.
func NewReader(in io.Reader, object metav1.TypeMeta) *Reader {
	return &Reader{in: bufio.NewReader(in), object: object}
}

// Next returns the next event. io.EOF means that the server closed the watch between two events. An
// event of kind ERROR is returned as its error.
func (r *Reader) Next() (Event, error) {
	if !r.begun {
		first, err := r.in.Peek(1)
		if err != nil {
			return Event{}, err
		}
		r.begun = true
		switch first[0] {
		case '{':
			r.json = json.NewDecoder(r.in)
		case 0: // of the length of a frame
		default:
			return Event{}, errNotAPI
		}
	}
	next := r.nextFrame
	if r.json != nil {
		next = r.nextJSON
	}
	e, err := next()
	if err != nil || e.Kind != "ERROR" {
		return e, err
	}
	var status metav1.Status
	if err := unmarshal(e.Object, &status); err != nil {
		return Event{}, err
	}
	return Event{}, apierrors.FromObject(&status)
}

// nextFrame reads a frame: four bytes with its length, then a WatchEvent of
// k8s.io/apimachinery/pkg/apis/meta/v1.
func (r *Reader) nextFrame() (Event, error) {
	var length [4]byte
	if _, err := io.ReadFull(r.in, length[:]); err != nil {
		return Event{}, err // io.EOF only when there was no byte
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxObject {
		return Event{}, fmt.Errorf("%w: an event of %d bytes", errBadProtobuf, size)
	}
	r.frame = room(r.frame, int(size))
	if _, err := io.ReadFull(r.in, r.frame); err != nil {
		return Event{}, cutOff(err)
	}
	var e metav1.WatchEvent
	if e.Unmarshal(r.frame) != nil || len(e.Object.Raw) == 0 {
		return Event{}, fmt.Errorf("%w: an event that cannot be read", errBadProtobuf)
	}
	want := r.object
	if e.Type == "ERROR" {
		want = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	}
	content, ok := unwrap(e.Object.Raw, want)
	if !ok {
		return Event{}, errOtherKind
	}
	return Event{Kind: EventKind(e.Type), Object: Raw{Data: content}}, nil
}

// unwrap returns an object without its envelope. It reports false if data is not protobuf, or has
// another kind of object.
func unwrap(data []byte, want metav1.TypeMeta) (raw []byte, ok bool) {
	var o kruntime.Unknown
	data, ok = bytes.CutPrefix(data, []byte(protobufMagic))
	ok = ok && o.Unmarshal(data) == nil && o.APIVersion == want.APIVersion && o.Kind == want.Kind
	return o.Raw, ok
}

func (r *Reader) nextJSON() (Event, error) {
	var e struct {
		Type   string
		Object json.RawMessage
	}
	if err := r.json.Decode(&e); err != nil {
		return Event{}, err
	}
	return Event{Kind: EventKind(e.Type), Object: Raw{Data: e.Object, JSON: true}}, nil
}

// Version returns the resourceVersion of the object.
func (e Event) Version() (string, error) {
	m, err := metadataOf(e.Object)
	return m.ResourceVersion, err
}
