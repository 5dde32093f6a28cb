package loadgen

import (
	"fmt"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
)

// EDNSSize is the payload size in queries with EDNS.
const EDNSSize = 1232

// Pack packs each question into a packet.
func Pack(questions []dataset.Question, edns bool) ([][]byte, error) {
	var out [][]byte
	for _, q := range questions {
		t, ok := dns.StringToType[q.Type]
		if !ok {
			return nil, fmt.Errorf("question %s %s: no such type", q.Name, q.Type)
		}
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(q.Name), t)
		if edns {
			m.SetEdns0(EDNSSize, false)
		}
		packet, err := m.Pack()
		if err != nil {
			return nil, fmt.Errorf("question %s %s: %w", q.Name, q.Type, err)
		}
		out = append(out, packet)
	}
	return out, nil
}
