package snapshot

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// The file is a List of manifests, one object per line, between two comments:
//
//	# kube-dns snapshot 1 zone=cluster.local. written=2006-01-02T15:04:05Z
//	{"apiVersion":"v1","kind":"List","items":[
//	...
//	]}
//	# sha256=<of all lines before this one>
const (
	magic   = "# kube-dns snapshot 1 "
	trailer = "# sha256="
)

// Encode writes the published Services of a zone and their endpoints.
func Encode(w io.Writer, z *kubedns.Zone, domain string, written time.Time) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	// One buffer and no objects: garbage of the file's size would make the collector grow the heap.
	lines := fmt.Appendf(nil, `%szone=%s written=%s`+"\n"+`{"apiVersion":"v1","kind":"List","items":[`+"\n",
		magic, domain, written.UTC().Format(time.RFC3339))
	separator := byte(' ')
	for svc, endpoints := range z.Export() {
		begin := len(lines)
		lines = appendService(lines, svc)
		for _, e := range endpoints {
			lines = appendSlices(lines, e)
		}
		lines[begin] = separator
		if _, err := out.Write(lines); err != nil {
			return err
		}
		lines, separator = lines[:0], ','
	}
	if _, err := out.Write(append(lines, "]}\n"...)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s%x\n", trailer, sum.Sum(nil))
	return err
}

// appendService appends a line with a Service, after a comma.
func appendService(b []byte, s kubedns.Service) []byte {
	b = fmt.Appendf(b, `,{"apiVersion":"v1","kind":"Service","metadata":{"name":%s,"namespace":%s},"spec":{`,
		text(s.Name), text(s.Namespace))
	switch {
	case s.ExternalName != "":
		b = fmt.Appendf(b, `"type":"ExternalName","externalName":%s`, text(s.ExternalName))
	case s.Headless:
		b = append(b, `"clusterIP":"None"`...)
	default:
		b = fmt.Appendf(b, `"clusterIP":"%s","clusterIPs":%s`, s.ClusterIPs[0], text(s.ClusterIPs))
	}
	return append(appendPorts(b, s.Ports), "}}\n"...)
}

// appendSlices appends a line with an EndpointSlice for each subset and family.
func appendSlices(b []byte, e kubedns.Endpoints) []byte {
	slices := 0
	for _, sub := range e.Subsets {
		for _, family := range []string{"IPv4", "IPv6"} {
			before := len(b)
			b = fmt.Appendf(b, `,{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":%s,`+
				`"namespace":%s,"labels":{"kubernetes.io/service-name":%s}},"addressType":"%s","endpoints":[`,
				text(e.Service+"-"+strconv.Itoa(slices)), text(e.Namespace), text(e.Service), family)
			empty := len(b)
			for _, at := range sub.Endpoints {
				if at.Addr.Is4() == (family == "IPv4") {
					b = append(at.Addr.AppendTo(append(b, `{"addresses":["`...)), `"]`...)
					if at.Hostname != "" {
						b = append(append(b, `,"hostname":`...), text(at.Hostname)...)
					}
					b = append(b, "},"...)
				}
			}
			if len(b) == empty {
				b = b[:before]
				continue
			}
			b = append(appendPorts(append(b[:len(b)-1], ']'), sub.Ports), "}\n"...)
			slices++
		}
	}
	return b
}

// appendPorts appends the ports with a leading comma, unless there are none.
func appendPorts(b []byte, ports []kubedns.Port) []byte {
	if len(ports) == 0 {
		return b
	}
	b = append(b, `,"ports":[`...)
	for _, p := range ports {
		b = fmt.Appendf(b, `{"name":%s,"protocol":%s,"port":%d},`, text(p.Name), text(strings.ToUpper(p.Protocol)), p.Number)
	}
	return append(b[:len(b)-1], ']')
}

// text returns texts or addresses as JSON. It cannot fail.
func text(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}
