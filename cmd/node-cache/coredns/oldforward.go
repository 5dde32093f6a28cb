package coredns

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// oldForward exports forwarded queries under the metric names of CoreDNS before 1.11, because
// dashboards still use them.
type oldForward struct{ proxied prometheus.Collector }

var (
	oldRequests = prometheus.NewDesc("coredns_forward_requests_total",
		"Counter of requests made per upstream. The name before CoreDNS 1.11.", []string{"to"}, nil)
	oldResponses = prometheus.NewDesc("coredns_forward_responses_total",
		"Counter of responses received per upstream. The name before CoreDNS 1.11.", []string{"to", "rcode"}, nil)
	oldDurations = prometheus.NewDesc("coredns_forward_request_duration_seconds",
		"Histogram of the time each request took. The name before CoreDNS 1.11.", []string{"to", "rcode"}, nil)
)

// Describe implements prometheus.Collector.
func (*oldForward) Describe(out chan<- *prometheus.Desc) {
	out <- oldRequests
	out <- oldResponses
	out <- oldDurations
}

// Collect implements prometheus.Collector.
func (o *oldForward) Collect(out chan<- prometheus.Metric) {
	metrics := make(chan prometheus.Metric)
	go func() {
		defer close(metrics)
		o.proxied.Collect(metrics)
	}()
	requests := map[string]float64{}
	for metric := range metrics {
		m := &dto.Metric{}
		if err := metric.Write(m); err != nil || m.GetHistogram() == nil {
			continue
		}
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		if labels["proxy_name"] != "forward" {
			continue
		}
		to, rcode, h := labels["to"], labels["rcode"], m.GetHistogram()
		buckets := map[float64]uint64{}
		for _, b := range h.GetBucket() {
			buckets[b.GetUpperBound()] = b.GetCumulativeCount()
		}
		requests[to] += float64(h.GetSampleCount())
		out <- prometheus.MustNewConstMetric(oldResponses, prometheus.CounterValue, float64(h.GetSampleCount()),
			to, rcode)
		out <- prometheus.MustNewConstHistogram(oldDurations, h.GetSampleCount(), h.GetSampleSum(), buckets, to, rcode)
	}
	for to, n := range requests {
		out <- prometheus.MustNewConstMetric(oldRequests, prometheus.CounterValue, n, to)
	}
}
