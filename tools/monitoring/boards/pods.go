package boards

import "github.com/grafana/grafana-foundation-sdk/go/units"

func podBoard() Board {
	return Board{
		Name: "pod", Title: "kube-dns / Pod", Instances: "kubedns_config_valid",
		Description: "Health, queries, errors and resources of kube-dns pods.",
		Rows:        []Row{podHealth(), podQueries(), podErrors(), podResources()},
	}
}

func podHealth() Row {
	return Row{"Health", []Panel{
		{
			Kind: Number, Width: 3, Title: "Pods that are not ready", Unit: units.Short, Red: 1,
			Help:    "Pods whose kube-dns wants no queries yet.",
			Targets: one(`sum(1 - kubedns_ready{$s})`, ""),
		},
		{
			Kind: Number, Width: 3, Title: "Watches open", Unit: units.Short,
			Help:    "Each pod has two watches of the API server.",
			Targets: one(`sum(kubedns_api_watch_connected{$s})`, ""),
		},
		{
			Kind: Number, Width: 3, Title: "Failed probes", Unit: units.Short, Red: 4,
			Help:    "The most probes in a row that failed, of all probes.",
			Targets: one(`max(kubedns_probe_consecutive_failures{$s})`, ""),
		},
		{
			Kind: Number, Width: 3, Title: "Refused configurations", Unit: units.Short, Red: 1,
			Help:    "Processes that refused the newest ConfigMap.",
			Targets: one(`sum(1 - kubedns_config_valid{$s}) + (count(kubedns_nanny_config_refused{$s} == 1) or vector(0))`, ""),
		},
		{
			Kind: Number, Width: 3, Title: "dnsmasq down", Unit: units.Short, Red: 1,
			Help:    "Pods whose dnsmasq does not answer its nanny.",
			Targets: one(`sum(1 - kubedns_nanny_dnsmasq_up{$s})`, ""),
		},
		{
			Kind: Table, Width: 9, Title: "Versions", Unit: units.NoUnit,
			Help:    "The versions of the three commands and of dnsmasq in each pod.",
			Targets: []Target{{`kubedns_build_info{$s}`, ""}, {`kubedns_nanny_dnsmasq_info{$s}`, ""}},
		},
	}}
}

func podQueries() Row {
	responses := `(rate(kubedns_dns_responses_total{$s}[$i]))`
	return Row{"Queries", []Panel{
		{
			Title: "Replies by code", Unit: units.RequestsPerSecond,
			Help:    "Replies of kube-dns by response code; dnsmasq's cache answers the others.",
			Targets: one(`sum by (rcode) `+responses, "{{rcode}}"),
		},
		{
			Title: "Replies by type", Unit: units.RequestsPerSecond, Help: "Replies of kube-dns by type of the question.",
			Targets: one(`sum by (type) `+responses, "{{type}}"),
		},
		{
			Title: "Replies by protocol", Unit: units.RequestsPerSecond, Help: "Replies of kube-dns over UDP and TCP.",
			Targets: one(`sum by (proto) `+responses, "{{proto}}"),
		},
		{
			Kind: Heatmap, Title: "Latency of the zone", Unit: units.Seconds,
			Help:    "Time from the receipt of a query to its reply, for names of the cluster.",
			Targets: heat("kubedns_dns_query_duration_seconds", `$s, system="auth"`),
		},
		{
			Title: "Latency", Unit: units.Seconds,
			Help:    "Median and 99th percentile by kind of name; recursive names include the upstream's time.",
			Targets: quantiles("kubedns_dns_query_duration_seconds", "$s", "system"),
		},
		{
			Title: "Probes", Unit: units.Seconds, Red: 0.1,
			Help:    "Time that the probes of the sidecar take, from inside the pod.",
			Targets: quantiles("kubedns_probe_duration_seconds", "$s", "probe"),
		},
	}}
}

func podErrors() Row {
	return Row{"Errors", []Panel{
		{
			Title: "Share of SERVFAIL", Unit: units.PercentUnit, Red: 0.01,
			Help:    "SERVFAIL of all replies of kube-dns by pod; alerts begin at 1 %.",
			Targets: one(`kubedns:dns_servfail:ratio_rate5m{$s}`, "{{pod}}"),
		},
		{
			Title: "Turned away", Unit: units.Short,
			Help: "Queries and connections that limits or full buffers cost.",
			Targets: []Target{
				{`sum(increase(kubedns_dns_overload_total{$s}[$i]))`, "too many pending"},
				{`sum(increase(kubedns_dns_tcp_connections_refused_total{$s}[$i]))`, "TCP refused"},
				{`sum(increase(kubedns_dns_receive_drops_total{$s}[$i]))`, "not received"},
				{`sum by (reason) (increase(kubedns_dns_send_errors_total{$s}[$i]))`, "not sent: {{reason}}"},
			},
		},
		{
			Title: "Stale answers and panics", Unit: units.RequestsPerSecond,
			Help: "Replies from the snapshot of an earlier run, and queries that met a bug.",
			Targets: []Target{
				{`sum(rate(kubedns_dns_stale_answers_total{$s}[$i]))`, "stale"},
				{`sum(rate(kubedns_dns_panics_total{$s}[$i]))`, "panics"},
			},
		},
	}}
}

func podResources() Row {
	return Row{"Resources", []Panel{
		{
			Title: "CPU", Unit: units.Short, Help: "CPU seconds a second by container.",
			Width: 6, Targets: one(`sum by (pod, container) (rate(process_cpu_seconds_total{$o}[$i]))`, "{{pod}} {{container}}"),
		},
		{
			Title: "Memory", Unit: units.BytesIEC, Help: "Resident memory by container, without that of dnsmasq.",
			Width: 6, Targets: one(`process_resident_memory_bytes{$o}`, "{{pod}} {{container}}"),
		},
		{
			Title: "Pending and connections", Unit: units.Short,
			Help:  "Queries that wait for upstreams, and open TCP connections of clients.",
			Width: 6, Targets: []Target{
				{`kubedns_dns_waiting_queries{$s}`, "{{pod}} pending"},
				{`kubedns_dns_tcp_connections{$s}`, "{{pod}} connections"},
			},
		},
		{
			Title: "Open files", Unit: units.PercentUnit, Red: 0.9, Help: "Open files of those that each process may open.",
			Width: 6, Targets: one(`process_open_fds{$o} / process_max_fds{$o}`, "{{pod}} {{container}}"),
		},
	}}
}

func fleetBoard() Board {
	return Board{
		Name: "fleet", Title: "kube-dns / Fleet", Instances: "kubedns_config_valid",
		Description: "All kube-dns pods next to each other: load, balance, and where they differ.",
		Rows:        []Row{fleetSummary(), fleetBalance(), fleetDifferences()},
	}
}

func fleetSummary() Row {
	return Row{"Summary", []Panel{
		{
			Kind: Number, Title: "Pods", Unit: units.Short, Help: "Pods whose kube-dns is scraped.",
			Targets: one(`count(kubedns_config_valid{$f})`, ""),
		},
		{
			Kind: Number, Title: "Replies", Unit: units.RequestsPerSecond, Help: "Replies of kube-dns in all pods.",
			Targets: one(`sum(rate(kubedns_dns_responses_total{$f}[$i]))`, ""),
		},
		{
			Kind: Number, Title: "Share of SERVFAIL", Unit: units.PercentUnit, Red: 0.01,
			Help: "SERVFAIL of all replies in all pods.",
			Targets: one(`(sum(kubedns:dns_responses:rate5m{$f, rcode="SERVFAIL"}) or vector(0))`+
				` / sum(kubedns:dns_responses:rate5m{$f})`, ""),
		},
		{
			Kind: Number, Title: "Configurations", Unit: units.Short, Red: 2,
			Help:    "Different configurations in use; more than one for a minute after a change is usual.",
			Targets: one(`count(count by (version) (kubedns_config_info{$f}))`, ""),
		},
		{
			Kind: Number, Title: "Versions", Unit: units.Short, Red: 2,
			Help:    "Different versions of a container; more than one during a rollout is usual.",
			Targets: one(`max(count by (component) (count by (component, version) (kubedns_build_info{$f})))`, ""),
		},
		{
			Kind: Number, Title: "Alerts", Unit: units.Short, Red: 1, Help: "Alerts about kube-dns that fire now.",
			Targets: one(`count(ALERTS{alertname=~"KubeDNS.+", alertstate="firing"}) or vector(0)`, ""),
		},
	}}
}

func fleetBalance() Row {
	return Row{"Balance", []Panel{
		{
			Title: "Replies by pod", Unit: units.RequestsPerSecond, Help: "Replies of kube-dns in each pod.",
			Targets: one(`sum by (pod) (rate(kubedns_dns_responses_total{$s}[$i]))`, "{{pod}}"),
		},
		{
			Title: "Queries to dnsmasq by pod", Unit: units.RequestsPerSecond,
			Help: "Queries over UDP that dnsmasq answered itself or forwarded.",
			Targets: one(`sum by (pod) (rate(kubedns_dnsmasq_hits{$s}[$i]))`+
				` + sum by (pod) (rate(kubedns_dnsmasq_misses{$s}[$i]))`, "{{pod}}"),
		},
		{
			Title: "Busiest pod over average", Unit: units.Short, Red: 2,
			Help: "How much more the busiest pod has to do; 1 is even.",
			Targets: one(`max(sum by (pod) (rate(kubedns_dns_responses_total{$f}[$i])))`+
				` / avg(sum by (pod) (rate(kubedns_dns_responses_total{$f}[$i])))`, ""),
		},
	}}
}

func fleetDifferences() Row {
	return Row{"Differences", []Panel{
		{
			Title: "Names by pod", Unit: units.Short, Help: "Names that have records; the lines lie on each other.",
			Targets: one(`kubedns_zone_names{$s}`, "{{pod}}"),
		},
		{
			Kind: Number, Title: "Zone digests", Unit: units.Short,
			Help:    "Different data in use; more than 1 that stays means that a pod misses changes.",
			Targets: one(`count(count_values by (namespace) ("digest", kubedns_zone_digest{$s}))`, ""),
		},
		{
			Title: "Changes of the zone", Unit: units.Short, Width: 12,
			Help:    "Changes of the data by pod; a pod at 0 below others stands still.",
			Targets: one(`changes(kubedns_zone_digest{$s}[$i])`, "{{pod}}"),
		},
		{
			Kind: Timeline, Title: "Configuration in use", Unit: units.NoUnit, Width: 24,
			Help: "Each version of the configuration, and the pods whose kube-dns or dnsmasq uses it.",
			Targets: []Target{
				{`kubedns_config_info{$s}`, "{{pod}} {{source}} {{version}}"},
				{`kubedns_nanny_config_info{$s}`, "{{pod}} dnsmasq {{source}} {{version}}"},
			},
		},
		{
			Title: "99th percentile by pod", Unit: units.Seconds, Help: "Latency of names of the cluster in each pod.",
			Targets: one(`kubedns:dns_query_duration_seconds:p99_5m{$s, system="auth"}`, "{{pod}}"),
		},
	}}
}
