package main

import (
	"reflect"
	"testing"

	"github.com/kube-dns/kube-dns/e2e/bench/loadgen"
)

func TestParseDnsperf(t *testing.T) {
	got := parseDnsperf(`Statistics:

  Queries sent:         1000
  Queries completed:    990 (99.00%)
  Queries lost:         10 (1.00%)

  Response codes:       NOERROR 900 (90.91%), NXDOMAIN 90 (9.09%)
  Average packet size:  request 40, response 56
  Run time (s):         2.000000
  Queries per second:   495.000000
`)
	want := loadgen.Result{Sent: 1000, Answered: 990, Lost: 10, Seconds: 2}
	want.Rcodes[0], want.Rcodes[3] = 900, 90
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parseDnsperf = %+v, want %+v", got, want)
	}
}
