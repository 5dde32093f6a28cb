package snapshot

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
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
	listBegin = `{"apiVersion":"v1","kind":"List","items":[`
	listEnd   = `]}`
)

// Encode writes the published Services of a zone and their endpoints.
func Encode(w io.Writer, z *kubedns.Zone, domain string, written time.Time) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := fmt.Fprintf(out, "%szone=%s written=%s\n%s\n", magic, domain, written.UTC().Format(time.RFC3339),
		listBegin); err != nil {
		return err
	}
	// One buffer, and no objects: garbage of the size of the file would make
	// the collector let the heap grow.
	var lines []byte
	separator := byte(' ')
	for svc, endpoints := range z.Export() {
		lines = appendService(lines[:0], svc)
		for _, e := range endpoints {
			lines = appendSlices(lines, e)
		}
		lines[0] = separator
		separator = ','
		if _, err := out.Write(lines); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(out, listEnd); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s%x\n", trailer, sum.Sum(nil))
	return err
}

// appendService appends a line with a Service, after a comma.
func appendService(b []byte, s kubedns.Service) []byte {
	b = append(appendHead(b, "v1", "Service", s.Name, s.Namespace), `},"spec":{`...)
	switch {
	case s.ExternalName != "":
		b = append(b, `"type":"ExternalName","externalName":`...)
		b = appendString(b, s.ExternalName)
	case s.Headless:
		b = append(b, `"clusterIP":"None"`...)
	default:
		b = append(b, `"clusterIP":`...)
		b = appendAddr(b, s.ClusterIPs[0])
		b = append(b, `,"clusterIPs":[`...)
		for i, addr := range s.ClusterIPs {
			b = appendAddr(appendComma(b, i), addr)
		}
		b = append(b, ']')
	}
	return append(appendPorts(b, s.Ports), "}}\n"...)
}

// appendSlices appends a line with an EndpointSlice for each subset and family.
func appendSlices(b []byte, e kubedns.Endpoints) []byte {
	slices := 0
	for _, sub := range e.Subsets {
		for _, family := range []string{"IPv4", "IPv6"} {
			name := e.Service + "-" + strconv.Itoa(slices)
			line := appendHead(b, "discovery.k8s.io/v1", "EndpointSlice", name, e.Namespace)
			line = append(line, `,"labels":{"kubernetes.io/service-name":`...)
			line = append(appendString(line, e.Service), `}},"addressType":"`...)
			line = append(append(line, family...), `","endpoints":[`...)
			endpoints := 0
			for _, at := range sub.Endpoints {
				if at.Addr.Is4() == (family == "IPv4") {
					line = appendEndpoint(appendComma(line, endpoints), at)
					endpoints++
				}
			}
			if endpoints > 0 {
				b = append(appendPorts(append(line, ']'), sub.Ports), "}\n"...)
				slices++
			}
		}
	}
	return b
}

// appendHead begins an object, up to its namespace.
func appendHead(b []byte, version, kind, name, namespace string) []byte {
	b = append(append(b, `,{"apiVersion":"`...), version...)
	b = append(append(b, `","kind":"`...), kind...)
	b = appendString(append(b, `","metadata":{"name":`...), name)
	return appendString(append(b, `,"namespace":`...), namespace)
}

func appendEndpoint(b []byte, e kubedns.Endpoint) []byte {
	b = append(appendAddr(append(b, `{"addresses":[`...), e.Addr), ']')
	if e.Hostname != "" {
		b = appendString(append(b, `,"hostname":`...), e.Hostname)
	}
	return append(b, '}')
}

// appendPorts appends a field that is not the first, where there are ports.
func appendPorts(b []byte, ports []kubedns.Port) []byte {
	if len(ports) == 0 {
		return b
	}
	b = append(b, `,"ports":[`...)
	for i, p := range ports {
		b = appendString(append(appendComma(b, i), `{"name":`...), p.Name)
		b = appendString(append(b, `,"protocol":`...), strings.ToUpper(p.Protocol))
		b = append(strconv.AppendUint(append(b, `,"port":`...), uint64(p.Number), 10), '}')
	}
	return append(b, ']')
}

// appendComma appends what separates the item at i from the one before it.
func appendComma(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ',')
}

func appendAddr(b []byte, addr netip.Addr) []byte {
	return append(addr.AppendTo(append(b, '"')), '"')
}

// appendString appends a JSON string. Nearly all are names, with nothing in
// them to escape.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string has no error
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
