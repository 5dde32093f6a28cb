package convert

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/kube-dns/kube-dns/internal/protobuf"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// The fields that names depend on, as tags. They are the same in both versions
// of the API: generated.proto of k8s.io/api/discovery/v1 and v1beta1, and for
// ObjectMeta of k8s.io/apimachinery/pkg/apis/meta/v1.
const (
	sliceMetadata    = 1<<3 | protobuf.Bytes
	sliceEndpoints   = 2<<3 | protobuf.Bytes
	slicePorts       = 3<<3 | protobuf.Bytes
	sliceAddressType = 4<<3 | protobuf.Bytes

	metaName      = 1<<3 | protobuf.Bytes
	metaNamespace = 3<<3 | protobuf.Bytes
	metaUID       = 5<<3 | protobuf.Bytes
	metaVersion   = 6<<3 | protobuf.Bytes
	metaLabels    = 11<<3 | protobuf.Bytes

	endpointAddresses  = 1<<3 | protobuf.Bytes
	endpointConditions = 2<<3 | protobuf.Bytes
	endpointHostname   = 3<<3 | protobuf.Bytes
	conditionReady     = 1<<3 | protobuf.Number

	portName     = 1<<3 | protobuf.Bytes
	portProtocol = 2<<3 | protobuf.Bytes
	portNumber   = 3<<3 | protobuf.Number

	entryKey   = 1<<3 | protobuf.Bytes
	entryValue = 2<<3 | protobuf.Bytes
)

// SliceProtobuf is Slice, and SliceV1beta1, for an EndpointSlice that is still
// in protobuf, without what the decoders of the API make in between: it
// allocates what the result consists of. The endpoints are the same for every
// message that the API's decoder takes.
//
// It reports false only when it cannot read the message: that decoder may be
// able to, and has to say what is wrong otherwise.
//
// intern returns the bytes as a string. It is asked for what many slices share.
func SliceProtobuf(raw []byte, intern func([]byte) string) (kubedns.Endpoints, bool) {
	r := sliceReader{intern: intern}
	if !r.shape(raw) {
		return kubedns.Endpoints{}, false
	}
	r.identify()
	if r.out.Service == "" || r.fqdn {
		return r.out, true
	}
	r.subset.Endpoints = make([]kubedns.Endpoint, 0, r.endpoints)
	for m := protobuf.Message(raw); len(m) > 0; {
		f, _ := m.Next()
		ok := true
		switch f.Tag {
		case sliceEndpoints:
			ok = r.endpoint(f.Bytes, len(m))
		case slicePorts:
			ok = r.port(f.Bytes)
		}
		if !ok {
			return kubedns.Endpoints{}, false
		}
	}
	addSubset(&r.out, r.subset)
	return r.out, true
}

// A sliceReader is what is known so far of one slice.
type sliceReader struct {
	intern           func([]byte) string
	meta             metadata
	fqdn             bool // the addresses are none
	endpoints, ports int  // how many there are
	out              kubedns.Endpoints
	subset           kubedns.Subset
	// hostnames of one slice share one piece of memory: they come together and
	// go together.
	hostnames strings.Builder
}

// metadata is the part of an ObjectMeta that counts.
type metadata struct {
	name, namespace, uid, version, service []byte
}

// shape reads metadata and address type, and counts the rest.
func (r *sliceReader) shape(m protobuf.Message) bool {
	for len(m) > 0 {
		f, ok := m.Next()
		if !ok {
			return false
		}
		switch f.Tag {
		case sliceMetadata:
			if !r.meta.read(f.Bytes) {
				return false
			}
		case sliceAddressType:
			r.fqdn = string(f.Bytes) == string(discoveryv1.AddressTypeFQDN)
		case sliceEndpoints:
			r.endpoints++
		case slicePorts:
			r.ports++
		}
	}
	return true
}

func (d *metadata) read(m protobuf.Message) bool {
	for len(m) > 0 {
		f, ok := m.Next()
		if !ok {
			return false
		}
		switch f.Tag {
		case metaName:
			d.name = f.Bytes
		case metaNamespace:
			d.namespace = f.Bytes
		case metaUID:
			d.uid = f.Bytes
		case metaVersion:
			d.version = f.Bytes
		case metaLabels:
			key, value, ok := entry(f.Bytes)
			if !ok {
				return false
			}
			if string(key) == discoveryv1.LabelServiceName {
				d.service = value
			}
		}
	}
	return true
}

// entry reads one pair of a map.
func entry(m protobuf.Message) (key, value []byte, ok bool) {
	for len(m) > 0 {
		f, ok := m.Next()
		switch {
		case !ok:
			return nil, nil, false
		case f.Tag == entryKey:
			key = f.Bytes
		case f.Tag == entryValue:
			value = f.Bytes
		case f.Tag>>3 <= 2: // the API's decoder does not look at the type here
			return nil, nil, false
		}
	}
	return key, value, true
}

// identify makes one string of what stays the same as long as the object lives:
// its UID and its name, which most often begins with the one of the Service.
func (r *sliceReader) identify() {
	var room [128]byte
	m := &r.meta
	text := append(append(room[:0], m.name...), m.uid...)
	shared := len(m.service) <= len(m.name) && string(m.name[:len(m.service)]) == string(m.service)
	if !shared {
		text = append(text, m.service...)
	}
	all := string(text)
	name, uid := all[:len(m.name)], all[len(m.name):len(m.name)+len(m.uid)]
	service := all[len(name)+len(uid):]
	if shared {
		service = name[:len(m.service)]
	}
	r.out = kubedns.Endpoints{
		Key:     kubedns.Key{Namespace: r.intern(m.namespace), Name: name},
		Service: service, UID: uid, Version: string(m.version),
	}
}

func (r *sliceReader) endpoint(m protobuf.Message, left int) bool {
	var hostname []byte
	ready, first := true, len(r.subset.Endpoints)
	for len(m) > 0 {
		f, ok := m.Next()
		if !ok {
			return false
		}
		switch f.Tag {
		case endpointAddresses:
			if addr, ok := addressBytes(f.Bytes); ok {
				r.subset.Endpoints = append(r.subset.Endpoints, kubedns.Endpoint{Addr: addr})
			}
		case endpointHostname:
			hostname = f.Bytes
		case endpointConditions:
			if ready, ok = condition(f.Bytes, ready); !ok {
				return false
			}
		}
	}
	added := r.subset.Endpoints[first:]
	if len(added) == 0 {
		return true
	}
	name := r.hostname(hostname, left)
	for i := range added {
		added[i].Hostname, added[i].Ready = name, ready
	}
	return true
}

// condition returns whether an endpoint is ready, given the conditions before it.
func condition(m protobuf.Message, ready bool) (bool, bool) {
	for len(m) > 0 {
		f, ok := m.Next()
		if !ok {
			return false, false
		}
		if f.Tag == conditionReady {
			ready = f.Value != 0
		}
	}
	return ready, true
}

// hostname is one hostname as a string. left is the number of bytes that other
// ones may stand in.
func (r *sliceReader) hostname(b []byte, left int) string {
	if len(b) == 0 {
		return ""
	}
	if !isLower(b) {
		return strings.ToLower(string(b))
	}
	if r.hostnames.Cap()-r.hostnames.Len() < len(b) {
		r.hostnames = strings.Builder{}
		// Most are as long as this one, or longer by a digit.
		r.hostnames.Grow(len(b) + min(left, (len(b)+1)*(r.endpoints-1)))
	}
	start := r.hostnames.Len()
	r.hostnames.Write(b)
	return r.hostnames.String()[start:]
}

// isLower reports whether strings.ToLower would change nothing, for ASCII.
func isLower(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

func (r *sliceReader) port(m protobuf.Message) bool {
	var texts [2]string
	var value int32
	var name, protocol *string
	var number *int32
	for len(m) > 0 {
		f, ok := m.Next()
		if !ok {
			return false
		}
		switch f.Tag {
		case portName:
			texts[0] = r.intern(f.Bytes)
			name = &texts[0]
		case portProtocol:
			texts[1] = r.intern(f.Bytes)
			protocol = &texts[1]
		case portNumber:
			value = int32(f.Value)
			number = &value
		}
	}
	if port, ok := slicePort(name, (*corev1.Protocol)(protocol), number); ok {
		if r.subset.Ports == nil {
			r.subset.Ports = make([]kubedns.Port, 0, r.ports)
		}
		r.subset.Ports = append(r.subset.Ports, port)
	}
	return true
}

// addressBytes is address, without a string for the addresses that there are
// most of.
func addressBytes(b []byte) (netip.Addr, bool) {
	if ip, ok := quad(b); ok {
		return netip.AddrFrom4(ip), true
	}
	return address(string(b))
}

// quad reads an IPv4 address in the form that everybody writes. It reports false
// for anything else.
func quad(b []byte) (ip [4]byte, ok bool) {
	at, digits, value := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if digits > 0 && value == 0 { // 010 may be 8
				return ip, false
			}
			value = 10*value + int(c-'0')
			if digits++; value > 255 {
				return ip, false
			}
		case c == '.' && digits > 0 && at < 3:
			ip[at] = byte(value)
			at, digits, value = at+1, 0, 0
		default:
			return ip, false
		}
	}
	ip[3] = byte(value)
	return ip, at == 3 && digits > 0
}
