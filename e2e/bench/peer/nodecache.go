package peer

import (
	"path/filepath"
	"strings"
)

// cached is the Corefile of a node's cache: {to} is the pod that it forwards to, and {how} the
// transport.
const cached = `cluster.local:{port} in-addr.arpa:{port} ip6.arpa:{port} {
    errors
    cache {
        success 9984 30
        denial 9984 5
    }
    bind 127.0.0.1
    forward . {to} {
        {how}
    }
}
.:{port} {
    errors
    cache 30
    bind 127.0.0.1
    forward . {to}
}
`

// nodeCache is the cache of a node in front of the pod of the base manifest: node-cache, or
// CoreDNS with the Corefile of the original program.
func nodeCache(program, how string, flags ...string) func(*Site) ([]command, error) {
	return func(s *Site) ([]command, error) {
		pod, err := dropIn()(s)
		if err != nil {
			return nil, err
		}
		p, err := ports(3)
		if err != nil {
			return nil, err
		}
		fill := strings.NewReplacer("{port}", p[0], "{to}", s.Address.String(), "{how}", how)
		path, err := s.file("Corefile.base", fill.Replace(cached))
		if err != nil {
			return nil, err
		}
		s.at(p[0])
		args := []string{s.Bin[program]}
		if program == "coredns" {
			args = append(args, "-conf", path)
		} else {
			args = append(args, "-localip=127.0.0.1", "-dns.port="+p[0], "-setupinterface=false", "-setupiptables=false",
				"-handover=false", "-basecorefile="+path, "-conf="+filepath.Join(s.Dir, "Corefile"),
				"-metrics-listen-address=0", "-health-listen-address=127.0.0.1:"+p[1],
				"-prometheus-listen-address=127.0.0.1:"+p[2], "-kubednscm="+filepath.Join(s.Dir, "config"))
		}
		return append(pod, command{label: "cache", args: append(args, flags...)}), nil
	}
}
