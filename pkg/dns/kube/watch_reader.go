package kube

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// An event is one event of a watch. Its object is valid until the next event is
// read.
type event struct {
	kind   eventKind
	object raw
}

type eventKind string

const (
	added    eventKind = "ADDED"
	modified eventKind = "MODIFIED"
	deleted  eventKind = "DELETED"
	bookmark eventKind = "BOOKMARK"
)

// A watchReader reads the events of a watch. client-go's own reader turns broken
// connections into ordinary ends of a watch; this one returns each error as it is.
type watchReader struct {
	in     *bufio.Reader
	object metav1.TypeMeta // of the objects, in protobuf
	json   *json.Decoder   // nil for protobuf
	frame  []byte
	begun  bool
}

func newWatchReader(in io.Reader, object metav1.TypeMeta) *watchReader {
	return &watchReader{in: bufio.NewReader(in), object: object}
}

// next returns the next event. io.EOF means that the server closed the watch
// between two events; an event of kind ERROR is returned as the error in it.
func (r *watchReader) next() (event, error) {
	if !r.begun {
		first, err := r.in.Peek(1)
		if err != nil {
			return event{}, err
		}
		r.begun = true
		switch first[0] {
		case '{':
			r.json = json.NewDecoder(r.in)
		case 0: // of the length of a frame
		default:
			return event{}, errNotAPI
		}
	}
	if r.json != nil {
		return r.nextJSON()
	}
	return r.nextFrame()
}

// nextFrame reads a frame: four bytes with its length, then a WatchEvent of
// k8s.io/apimachinery/pkg/apis/meta/v1.
func (r *watchReader) nextFrame() (event, error) {
	var length [4]byte
	if _, err := io.ReadFull(r.in, length[:]); err != nil {
		return event{}, err // io.EOF only when there was no byte
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxObject {
		return event{}, fmt.Errorf("%w: an event of %d bytes", errBadProtobuf, size)
	}
	r.frame = room(r.frame, int(size))
	if _, err := io.ReadFull(r.in, r.frame); err != nil {
		return event{}, cutOff(err)
	}
	kind, object, ok := convert.WatchEvent(r.frame)
	if !ok {
		return event{}, fmt.Errorf("%w: an event that cannot be read", errBadProtobuf)
	}
	if string(kind) == "ERROR" {
		var status metav1.Status
		content, ok := convert.Unwrap(object, "v1", "Status")
		if !ok {
			return event{}, fmt.Errorf("%w: an error that cannot be read", errBadProtobuf)
		}
		if err := status.Unmarshal(content); err != nil {
			return event{}, fmt.Errorf("%w: %w", errBadProtobuf, err)
		}
		return event{}, apierrors.FromObject(&status)
	}
	content, ok := convert.Unwrap(object, r.object.APIVersion, r.object.Kind)
	if !ok {
		return event{}, errOtherKind
	}
	return event{kind: kindOf(kind), object: raw{data: content}}, nil
}

func (r *watchReader) nextJSON() (event, error) {
	var e struct {
		Type   string
		Object json.RawMessage
	}
	if err := r.json.Decode(&e); err != nil {
		return event{}, err
	}
	if e.Type == "ERROR" {
		var status metav1.Status
		if err := json.Unmarshal(e.Object, &status); err != nil {
			return event{}, fmt.Errorf("an error that cannot be read: %w", err)
		}
		return event{}, apierrors.FromObject(&status)
	}
	return event{kind: eventKind(e.Type), object: raw{data: e.Object, json: true}}, nil
}

// kindOf returns the kind of an event without an allocation.
func kindOf(b []byte) eventKind {
	switch string(b) {
	case string(added):
		return added
	case string(modified):
		return modified
	case string(deleted):
		return deleted
	case string(bookmark):
		return bookmark
	}
	return eventKind(b)
}
