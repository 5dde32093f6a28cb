package peer

import "strings"

// plain has only the cluster's names.
const plain = `.:{port} {
    bind 127.0.0.1
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
}
`

// typical is the default of clusters. The forwarder gets no queries here.
const typical = `.:{port} {
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health} {
        lameduck 5s
    }
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus 127.0.0.1:{metrics}
    forward . 127.0.0.1:9
    cache 30
    reload
    loadbalance
}
`

func coreDNS(corefile string) func(*Site) ([]command, error) {
	return func(s *Site) ([]command, error) {
		p, err := ports(4)
		if err != nil {
			return nil, err
		}
		s.at(p[0])
		c, err := coreDNSCommand(s, corefile, p)
		return []command{c}, err
	}
}

func coreDNSCommand(s *Site, corefile string, p []string) (command, error) {
	fill := strings.NewReplacer("{port}", p[0], "{ready}", p[1], "{health}", p[2], "{metrics}", p[3],
		"{kubeconfig}", s.Kubeconfig)
	path, err := s.file("Corefile", fill.Replace(corefile))
	return command{label: "coredns", args: []string{s.Bin["coredns"], "-conf", path}}, err
}

// dnsmasqCoreDNS is a kube-dns pod with CoreDNS instead of kube-dns.
func dnsmasqCoreDNS(s *Site) ([]command, error) {
	p, err := ports(5)
	if err != nil {
		return nil, err
	}
	c, err := coreDNSCommand(s, plain, p)
	if err != nil {
		return nil, err
	}
	s.at(p[4])
	return []command{c, {label: "dnsmasq", args: append([]string{s.Bin["dnsmasq"]}, stock(p[4], p[0])...)}}, nil
}
