package boards

import "github.com/grafana/grafana-foundation-sdk/go/units"

func upstreamsBoard() Board {
	return Board{
		Name: "upstreams", Title: "kube-dns / Upstreams and dnsmasq", Instances: "kubedns_dnsmasq_hits",
		Description: "dnsmasq's cache and restarts, and the servers that queries are forwarded to.",
		Rows:        []Row{dnsmasqRow(), upstreamsRow(), serversRow()},
	}
}

func dnsmasqRow() Row {
	return Row{"dnsmasq", []Panel{
		{
			Title: "Cache hits", Unit: units.PercentUnit, Help: "Queries that dnsmasq answered itself, of all queries over UDP.",
			Targets: one(`kubedns:dnsmasq_cache_hits:ratio_rate5m{$s}`, "{{pod}}"),
		},
		{
			Title: "Cache entries", Unit: units.CountsPerSecond,
			Help: "Entries that were put in, and those that were dropped before they expired.",
			Targets: []Target{
				{`sum(rate(kubedns_dnsmasq_insertions{$s}[$i]))`, "inserted"},
				{`sum(rate(kubedns_dnsmasq_evictions{$s}[$i]))`, "evicted"},
			},
		},
		{
			Title: "Starts and reloads", Unit: units.Short,
			Help: "Starts of dnsmasq by reason, and changes of its servers by result.",
			Targets: []Target{
				{`sum by (reason) (increase(kubedns_nanny_dnsmasq_starts_total{$s}[$i]))`, "start: {{reason}}"},
				{`sum by (result) (increase(kubedns_nanny_reloads_total{$s}[$i]))`, "reload: {{result}}"},
			},
		},
		{
			Title: "Trouble of dnsmasq", Unit: units.Short,
			Help: "Log lines about too many pending queries, and polls of its counters that failed.",
			Targets: []Target{
				{`sum(increase(kubedns_nanny_dnsmasq_overload_lines_total{$s}[$i]))`, "too many pending"},
				{`sum(increase(kubedns_dnsmasq_errors{$s}[$i]))`, "counters not read"},
			},
		},
	}}
}

func upstreamsRow() Row {
	return Row{"Upstreams", []Panel{
		{
			Title: "Queries by server", Unit: units.RequestsPerSecond,
			Help:    "Queries over UDP that dnsmasq sent to each server; port 10053 is kube-dns.",
			Targets: one(`sum by (server) (rate(kubedns_dnsmasq_upstream_queries_total{$s}[$i]))`, "{{server}}"),
		},
		{
			Title: "Failed share by server", Unit: units.PercentUnit, Red: 0.05,
			Help:    "Queries that were refused, failed or sent again, in all pods of the namespace.",
			Targets: one(`kubedns:upstream_failures:ratio_rate5m{$f}`, "{{server}}"),
		},
		{
			Title: "Reply time of kube-dns's upstreams", Unit: units.Seconds,
			Help:    "Median and 99th percentile for queries that kube-dns forwards itself.",
			Targets: quantiles("kubedns_dns_upstream_duration_seconds", "$s", "server"),
		},
		{
			Title: "Cache of kube-dns", Unit: units.RequestsPerSecond,
			Help:    "Queries for names outside the cluster by what the cache had for them, with --cache-size.",
			Targets: one(`sum by (result) (rate(kubedns_dns_cache_lookups_total{$s}[$i]))`, "{{result}}"),
		},
		{
			Title: "Failures of kube-dns's upstreams", Unit: units.CountsPerSecond,
			Help: "Queries of kube-dns that a server did not answer, refused or failed, so that another is asked.",
			Targets: one(`sum by (server, reason) (rate(kubedns_dns_upstream_failures_total{$s}[$i])) > 0`,
				"{{server}} {{reason}}"),
		},
	}}
}

func serversRow() Row {
	return Row{"Servers and configuration", []Panel{
		{
			Kind: Timeline, Title: "Upstreams of kube-dns", Unit: units.NoUnit,
			Help:    "0 while a server does not reply to kube-dns.",
			Targets: one(`min by (server) (kubedns_dns_upstream_up{$s})`, "{{server}}"),
		},
		{
			Kind: Table, Title: "Servers that fail", Unit: units.NoUnit,
			Help:    "Servers that replied with SERVFAIL or REFUSED to their last two tests by the nanny.",
			Targets: one(`kubedns_nanny_upstream_failing{$s} == 1`, ""),
		},
		{
			Kind: Table, Title: "Servers that are left out", Unit: units.NoUnit,
			Help:    "Servers that lead back to dnsmasq.",
			Targets: one(`kubedns_nanny_upstream_loop{$s} == 1`, ""),
		},
		{
			Title: "Servers that differ", Unit: units.Short, Red: 1,
			Help: "Stub servers without an address, servers that dnsmasq lacks or still has, and pending changes.",
			Targets: []Target{
				{`sum(kubedns_nanny_unresolved_names{$s})`, "without an address"},
				{`sum(kubedns_nanny_servers_differ{$s})`, "not as given"},
				{`sum(kubedns_nanny_config_pending{$s})`, "pending"},
			},
		},
	}}
}

func apiBoard() Board {
	return Board{
		Name: "api", Title: "kube-dns / API server and programming latency", Instances: "kubedns_config_valid",
		Description: "How fresh the data is: watches, delays of changes, trouble with the API server, and the snapshot.",
		Rows:        []Row{watchRow(), latencyRow(), troubleRow()},
	}
}

func watchRow() Row {
	return Row{"Watches", []Panel{
		{
			Kind: Timeline, Title: "Watches", Unit: units.NoUnit, Help: "1 while a watch is open.",
			Targets: one(`kubedns_api_watch_connected{$s}`, "{{pod}} {{resource}}"),
		},
		{
			Title: "Age of the last event", Unit: units.Seconds, Red: 900,
			Help:    "Time since the last change or bookmark; a bookmark comes about once a minute.",
			Targets: one(`time() - kubedns_api_last_event_timestamp_seconds{$s}`, "{{pod}} {{resource}}"),
		},
		{
			Kind: Timeline, Title: "Endpoints instead of slices", Unit: units.NoUnit, Red: 1,
			Help:    "1 while Endpoints are read, with at most 1000 addresses for each Service.",
			Targets: one(`kubedns_api_endpoints_fallback{$s}`, "{{pod}}"),
		},
	}}
}

func latencyRow() Row {
	return Row{"Latency of changes", []Panel{
		{
			Title: "DNS programming latency", Unit: units.Seconds, Red: 5,
			Help:    "Time from a change of pods, as the controller notes it, until it is answered.",
			Targets: quantiles("kubedns_dns_programming_duration_seconds", "$s", "service_kind"),
		},
		{
			Title: "Publishing", Unit: units.Seconds, Red: 1,
			Help:    "Time from the arrival of a change in kube-dns until it is answered.",
			Targets: quantiles("kubedns_api_publish_duration_seconds", "$s", ""),
		},
		{
			Title: "Changes", Unit: units.CountsPerSecond, Help: "Groups of changes that were published together.",
			Targets: one(`sum by (pod) (rate(kubedns_api_publish_duration_seconds_count{$s}[$i]))`, "{{pod}}"),
		},
	}}
}

func troubleRow() Row {
	return Row{"Trouble and size", []Panel{
		{
			Title: "Errors by reason", Unit: units.Short, Help: "Failed requests to the API server.",
			Targets: one(`sum by (resource, reason) (increase(kubedns_api_errors_total{$s}[$i])) > 0`,
				"{{resource}} {{reason}}"),
		},
		{
			Title: "Lists, watches, missed changes", Unit: units.Short,
			Help: "Complete lists and opened watches, and objects that a comparison found outdated.",
			Targets: []Target{
				{`sum by (resource) (increase(kubedns_api_lists_total{$s}[$i]))`, "lists of {{resource}}"},
				{`sum by (resource) (increase(kubedns_api_watches_total{$s}[$i]))`, "watches of {{resource}}"},
				{`sum by (resource) (increase(kubedns_api_audit_differences_total{$s}[$i]))`, "missed {{resource}}"},
			},
		},
		{
			Title: "Age of the snapshot", Unit: units.Seconds, Red: 1800,
			Help:    "Time since the snapshot last agreed with the API server.",
			Targets: one(`time() - (kubedns_snapshot_confirmed_timestamp_seconds{$s} > 0)`, "{{pod}}"),
		},
		{
			Title: "Objects", Unit: units.Short, Help: "Services, addresses of headless Services, and names that have records.",
			Targets: []Target{
				{`max(kubedns_zone_services{$s})`, "Services"},
				{`max(kubedns_zone_endpoints{$s})`, "endpoints"},
				{`max(kubedns_zone_names{$s})`, "names"},
			},
		},
	}}
}

const nodeCacheName = "node-cache"

func nodeCacheBoard() Board {
	return Board{
		Name: nodeCacheName, Title: "kube-dns / Node cache", Instances: "coredns_nodecache_setup_errors_total",
		Description: "NodeLocal DNSCache on the nodes: queries, cache, upstreams, and set-up.",
		Rows:        []Row{nodeCacheQueries(), nodeCacheUpstreams(), nodeCacheSetup()},
	}
}

func nodeCacheQueries() Row {
	return Row{"Queries", []Panel{
		{
			Title: "Nodes", Unit: units.Short, Help: "Node caches that are scraped, and those that do not reply.",
			Targets: []Target{{`sum(up{$n})`, "up"}, {`count(up{$n} == 0) or vector(0)`, "down"}},
		},
		{
			Title: "Replies by zone and code", Unit: units.RequestsPerSecond, Help: "Replies of the node caches.",
			Targets: one(`sum by (zone, rcode) (rate(coredns_dns_responses_total{$n}[$i]))`, "{{zone}} {{rcode}}"),
		},
		{
			Title: "Latency by zone", Unit: units.Seconds, Help: "Median and 99th percentile of the node caches.",
			Targets: quantiles("coredns_dns_request_duration_seconds", "$n", "zone"),
		},
	}}
}

func nodeCacheUpstreams() Row {
	return Row{"Cache and upstreams", []Panel{
		{
			Title: "Cache hits", Unit: units.PercentUnit, Help: "Queries that the cache answered, by zone.",
			Targets: one(`sum by (zones) (rate(coredns_cache_hits_total{$n}[$i]))`+
				` / sum by (zones) (rate(coredns_cache_requests_total{$n}[$i]))`, "{{zones}}"),
		},
		{
			Title: "Latency of upstreams", Unit: units.Seconds, Help: "Median and 99th percentile by server.",
			Targets: quantiles("coredns_proxy_request_duration_seconds", "$n", "to"),
		},
		{
			Title: "Pending queries", Unit: units.Short, Help: "The ten nodes with the most queries without a reply yet.",
			Targets: one(`topk(10, nodecache_upstream_inflight{$n})`, "{{instance}}"),
		},
		{
			Title: "Above a limit", Unit: units.Short,
			Help: "Queries and connections that were refused because a client, or all together, had too many.",
			Targets: []Target{
				{`sum(increase(nodecache_overload_total{$n}[$i]))`, "queries: SERVFAIL"},
				{`sum(increase(nodecache_tcp_connections_refused_total{$n}[$i]))`, "TCP connections: closed"},
				{`sum(increase(nodecache_udp_replies_dropped_total{$n}[$i]))`, "replies over UDP: dropped"},
			},
		},
		{
			Title: "SERVFAIL by node", Unit: units.RequestsPerSecond, Help: "The ten nodes with the most SERVFAIL.",
			Targets: one(`topk(10, sum by (instance) (`+
				`rate(coredns_dns_responses_total{$n, rcode="SERVFAIL"}[$i])))`, "{{instance}}"),
		},
	}}
}

func nodeCacheSetup() Row {
	return Row{"Set-up", []Panel{
		{
			Kind: Timeline, Title: "Serving", Unit: units.NoUnit,
			Help:    "1 while the rules are in place and the node cache answers its own query.",
			Targets: one(`max by (instance, address) (nodecache_serving{$n})`, "{{instance}} {{address}}"),
		},
		{
			Title: "Fallbacks and loops", Unit: units.Short,
			Help: "Times that pods were sent to kube-dns instead, and zones that are forwarded back.",
			Targets: []Target{
				{`sum by (reason) (increase(nodecache_fallback_total{$n}[$i]))`, "{{reason}}"},
				{`sum by (zone) (nodecache_upstream_loop{$n})`, "loop of {{zone}}"},
			},
		},
		{
			Title: "Takeovers", Unit: units.Short, Help: "Times that an agent took over from another one, by result.",
			Targets: one(`sum by (result) (increase(nodecache_handover_total{$n}[$i]))`, "{{result}}"),
		},
		{
			Title: "Set-up errors", Unit: units.Short, Help: "Failed steps of the set-up of the node, by type.",
			Targets: one(`sum by (errortype) (increase(coredns_nodecache_setup_errors_total{$n}[$i]))`,
				"{{errortype}}"),
		},
		{
			Title: "Refused Corefiles", Unit: units.Short, Help: "Reloads that failed; the configuration before stays in use.",
			Targets: one(`sum(increase(coredns_reload_failed_total{$n}[$i]))`, "failed reloads"),
		},
		{
			Title: "Memory", Unit: units.BytesIEC, Help: "Resident memory of each node cache.",
			Targets: one(`process_resident_memory_bytes{$n}`, "{{instance}}"),
		},
	}}
}
