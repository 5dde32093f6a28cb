package dataset

import (
	"bufio"
	"fmt"
	"os"
)

const soa = `@ 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 28800 7200 604800 30
@ 30 IN NS ns.dns.cluster.local.
`

// WriteZones writes the set as two zones in master file format, for servers without
// Kubernetes: Zone, and 10.in-addr.arpa with the PTR records of the Services.
func (s Set) WriteZones(forward, reverse string) error {
	if err := writeFile(forward, s.writeForward); err != nil {
		return err
	}
	return writeFile(reverse, s.writeReverse)
}

func writeFile(path string, write func(*bufio.Writer)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	write(w)
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func (s Set) writeForward(w *bufio.Writer) {
	fmt.Fprintf(w, "$ORIGIN %s.\n%sns.dns 30 IN A 127.0.0.1\n", Zone, soa)
	for i := range s.Services {
		name := s.Service(i)
		fmt.Fprintf(w, "%s. 30 IN A %s\n_http._tcp.%s. 30 IN SRV 10 100 80 %s.\n", name, s.ClusterIP(i), name, name)
	}
	for _, g := range s.Headless {
		for i := range g.Services {
			for _, a := range g.Addresses(i) {
				name := g.Service(i)
				target := fmt.Sprintf("%x.%s", fmt.Sprintf("%x", a.As4()), name) // as long as ours
				fmt.Fprintf(w, "%s. 30 IN A %s\n%s. 30 IN A %s\n", name, a, target, a)
				fmt.Fprintf(w, "_http._tcp.%s. 30 IN SRV 10 10 80 %s.\n", name, target)
			}
		}
	}
}

func (s Set) writeReverse(w *bufio.Writer) {
	fmt.Fprintf(w, "$ORIGIN 10.in-addr.arpa.\n%s", soa)
	for i := range s.Services {
		fmt.Fprintf(w, "%s. 30 IN PTR %s.\n", ReverseName(s.ClusterIP(i)), s.Service(i))
	}
}
