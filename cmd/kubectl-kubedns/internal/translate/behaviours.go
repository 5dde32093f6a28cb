package translate

// A Behaviour is a difference that no configuration removes.
type Behaviour struct {
	Code string
	// Name names the difference.
	Name string
	// KubeDNS and CoreDNS are the behaviours of the two servers.
	KubeDNS, CoreDNS string
	// Find is how to find clients that depend on it.
	Find string
}

// Behaviours returns the differences between the two servers, in order of their codes.
func Behaviours() []Behaviour {
	return []Behaviour{
		{"MG01", "wildcard queries *.svc.NS.svc.ZONE", "answered", "NXDOMAIN since 1.9.0",
			"queries with a label * or any"},
		{"MG02", "externalName that is an IP address", "A or AAAA", "NXDOMAIN",
			"Services whose spec.externalName is an address"},
		{"MG03", "SRV of the Service's own name", "one record for each address, port 0", "one record for each port",
			"SRV queries without _"},
		{"MG04", "SRV target of a ClusterIP Service", "HASH.SERVICE.NS.svc.ZONE", "the Service's name",
			"clients that store SRV targets"},
		{"MG05", "names of endpoints without a hostname", "HASH.SERVICE.NS.svc.ZONE",
			"10-1-2-3.SERVICE.NS.svc.ZONE, or the pod's name", "queries whose first label is an address with dashes"},
		{"MG06", "PTR of a pod's address", "only for pods with a hostname", "every pod of a Service",
			"PTR queries for addresses of pods: mail, Kerberos, Java, MPI"},
		{"MG07", "AA flag of a PTR reply", "clear", "set", "rarely matters"},
		{"MG08", "TTL of cluster names", "30 s", "5 s, or the option ttl", "the Corefile"},
		{"MG09", "negative replies", "TTL 60, not cached by dnsmasq (--no-negcache)",
			"cached for up to 30 minutes, or as the plugin cache limits it",
			"Services that are queried before they exist"},
		{"MG10", "queries for type ANY", "REFUSED", "NODATA or NXDOMAIN", "queries of type ANY"},
		{"MG11", "names of pods 10-1-2-3.NS.pod.ZONE", "answered for any namespace", "the namespace must exist",
			"queries below pod.ZONE"},
		{"MG12", "names of one label", "SERVFAIL unless dnsmasq forwards them", "forwarded", "queries without a dot"},
		{"MG13", "federation names", "answered", "NXDOMAIN", "queries with three labels before svc"},
		{"MG14", "queries before the first list of objects", "SERVFAIL, or the snapshot", "wait 5 s, then SERVFAIL",
			"-"},
		{"MG15", "ClusterIP Service without endpoints", "answered", "answered, NXDOMAIN with ignore empty_service",
			"the Corefile"},
		{"MG16", "overload", "REFUSED by dnsmasq", "REFUSED", "-"},
		{"MG17", "order of addresses", "shuffled", "shuffled with the plugin loadbalance", "the Corefile"},
		{"MG18", "cache of cluster names", "30 s in dnsmasq",
			"none in kubeadm's newest Corefile, else the plugin cache", "stale addresses after a rollout"},
		{"MG19", "metrics", "kubedns_*, skydns_*, dnsmasq_*", "coredns_*", "dashboards, alerts, ServiceMonitors"},
	}
}
