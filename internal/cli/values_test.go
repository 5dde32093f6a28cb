package cli_test

import (
	"testing"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func TestCheckHost(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "0.0.0.0": true, "::": true, "[::1]": true, "fe80::1%eth0": true, "localhost": true,
		"ns1.outside.example": true, "1and1.example": true, "10.example": true,
		"300.1.1.1": false, "10.0.0": false, "10.0.0.1.": false, "010.0.0.1": false, "1": false,
		"[::1": false, "::1::2": false, "127.0.0.1:53": false, "localhost:53": false, "[localhost]": true,
	} {
		if err := cli.CheckHost(host); (err == nil) != want {
			t.Errorf("CheckHost(%q) = %v, want valid: %v", host, err, want)
		}
	}
}
