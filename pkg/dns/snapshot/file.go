package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/manifest"
)

// The file is a List of manifests, an object a line, between two comments:
//
//	# kube-dns snapshot 1 zone=cluster.local. written=2006-01-02T15:04:05Z
//	{"apiVersion":"v1","kind":"List","items":[
//	...
//	]}
//	# sha256=<of all lines before this one>
const (
	magic     = "# kube-dns snapshot 1 "
	trailer   = "# sha256="
	maxSize   = 512 << 20
	listBegin = `{"apiVersion":"v1","kind":"List","items":[`
	listEnd   = `]}`
)

// Encode writes the published Services of a zone and their endpoints.
func Encode(w io.Writer, z *kubedns.Zone, domain string, written time.Time) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := fmt.Fprintf(out, "%szone=%s written=%s\n%s\n", magic, domain, written.UTC().Format(time.RFC3339), listBegin); err != nil {
		return err
	}
	// One buffer for all lines: garbage of the size of the file would make the
	// collector let the heap grow.
	var line bytes.Buffer
	lines := json.NewEncoder(&line)
	comma := " "
	for svc, endpoints := range z.Export() {
		items := []any{serviceObject(svc)}
		for _, e := range endpoints {
			items = append(items, endpointsObjects(e)...)
		}
		for _, item := range items {
			line.Reset()
			line.WriteString(comma)
			if err := lines.Encode(item); err != nil {
				return err
			}
			if _, err := out.Write(line.Bytes()); err != nil {
				return err
			}
			comma = ","
		}
	}
	if _, err := fmt.Fprintln(out, listEnd); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s%x\n", trailer, sum.Sum(nil))
	return err
}

// Decode reads what Encode wrote, into a new zone.
func Decode(data []byte, domain string) (z *kubedns.Zone, written time.Time, err error) {
	body, written, err := open(data, domain)
	if err != nil {
		return nil, written, err
	}
	objects, err := manifest.Decode("snapshot", body)
	if err != nil {
		return nil, written, err
	}
	z = kubedns.NewZone(kubedns.Options{Domain: domain})
	for _, svc := range objects.Services {
		z.SetService(*svc)
	}
	for _, e := range append(objects.Slices, objects.Endpoints...) {
		z.SetEndpoints(*e)
	}
	z.Publish()
	return z, written, nil
}

// open checks what is around the list, and returns the list.
func open(data []byte, domain string) (body []byte, written time.Time, err error) {
	text, ok := bytes.CutSuffix(data, []byte("\n"))
	at := bytes.LastIndexByte(text, '\n') + 1
	sum, isTrailer := bytes.CutPrefix(text[at:], []byte(trailer))
	if !ok || !isTrailer {
		return nil, written, errors.New("it is torn: the checksum at its end is missing")
	}
	if want := sha256.Sum256(data[:at]); hex.EncodeToString(want[:]) != string(sum) {
		return nil, written, errors.New("it is damaged: the checksum is wrong")
	}
	head, body, _ := bytes.Cut(data[:at], []byte("\n"))
	fields, ok := bytes.CutPrefix(head, []byte(magic))
	if !ok {
		return nil, written, fmt.Errorf("its first line is not %q", strings.TrimSpace(magic))
	}
	for field := range strings.FieldsSeq(string(fields)) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "zone":
			if value != domain {
				return nil, written, fmt.Errorf("it is of the zone %s, not %s", value, domain)
			}
		case "written":
			if written, err = time.Parse(time.RFC3339, value); err != nil {
				return nil, written, fmt.Errorf("when it was written: %w", err)
			}
		}
	}
	return body, written, nil
}

// read is Decode for a file. confirmed is the last moment at which its source
// was known to agree with it: the time of the file, which the keeper sets.
func read(path, domain string) (z *kubedns.Zone, written, confirmed time.Time, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, written, confirmed, err
	}
	confirmed = info.ModTime()
	if info.Size() > maxSize {
		return nil, written, confirmed, fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxSize)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, written, confirmed, err
	}
	z, written, err = Decode(data, domain)
	return z, written, confirmed, err
}

type meta struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels,omitempty"`
}

type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   meta   `json:"metadata"`
	Spec       *spec  `json:"spec,omitempty"`

	AddressType string     `json:"addressType,omitempty"`
	Endpoints   []endpoint `json:"endpoints,omitempty"`
	Ports       []port     `json:"ports,omitempty"`
}

type spec struct {
	Type         string       `json:"type,omitempty"`
	ClusterIP    string       `json:"clusterIP,omitempty"`
	ClusterIPs   []netip.Addr `json:"clusterIPs,omitempty"`
	ExternalName string       `json:"externalName,omitempty"`
	Ports        []port       `json:"ports,omitempty"`
}

type port struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
}

type endpoint struct {
	Addresses []netip.Addr `json:"addresses"`
	Hostname  string       `json:"hostname,omitempty"`
}

func serviceObject(svc kubedns.Service) object {
	o := object{APIVersion: "v1", Kind: "Service", Metadata: meta{Name: svc.Name, Namespace: svc.Namespace}, Spec: &spec{}}
	switch {
	case svc.ExternalName != "":
		o.Spec.Type, o.Spec.ExternalName = "ExternalName", svc.ExternalName
	case svc.Headless:
		o.Spec.ClusterIP = "None"
	default:
		o.Spec.ClusterIP, o.Spec.ClusterIPs = svc.ClusterIPs[0].String(), svc.ClusterIPs
	}
	o.Spec.Ports = ports(svc.Ports)
	return o
}

func ports(from []kubedns.Port) []port {
	var to []port
	for _, p := range from {
		to = append(to, port{Name: p.Name, Protocol: strings.ToUpper(p.Protocol), Port: p.Number})
	}
	return to
}

// endpointsObjects makes an EndpointSlice of each subset and family.
func endpointsObjects(e kubedns.Endpoints) []any {
	var slices []any
	for _, sub := range e.Subsets {
		for _, family := range []string{"IPv4", "IPv6"} {
			o := object{
				APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice", AddressType: family, Ports: ports(sub.Ports),
				Metadata: meta{
					Name: fmt.Sprintf("%s-%d", e.Service, len(slices)), Namespace: e.Namespace,
					Labels: map[string]string{"kubernetes.io/service-name": e.Service},
				},
			}
			for _, at := range sub.Endpoints {
				if at.Addr.Is4() == (family == "IPv4") {
					o.Endpoints = append(o.Endpoints, endpoint{Addresses: []netip.Addr{at.Addr}, Hostname: at.Hostname})
				}
			}
			if len(o.Endpoints) > 0 {
				slices = append(slices, o)
			}
		}
	}
	return slices
}
