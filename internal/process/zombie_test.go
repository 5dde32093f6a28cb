package process

import "testing"

func TestZombieOf(t *testing.T) {
	tests := map[string]struct {
		stat string
		pid  int
		ok   bool
	}{
		"ours":              {"42 (dnsmasq) Z 7 42 42 0", 42, true},
		"a name to confuse": {"42 (a) Z 9 (b)) Z 7 42", 42, true},
		"alive":             {"42 (dnsmasq) S 7 42 42 0", 0, false},
		"of another parent": {"42 (dnsmasq) Z 8 42 42 0", 0, false},
		"cut off":           {"42 (dnsmasq", 0, false},
		"empty":             {"", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if pid, ok := zombieOf(7, tt.stat); pid != tt.pid || ok != tt.ok {
				t.Errorf("got %d, %v; want %d, %v", pid, ok, tt.pid, tt.ok)
			}
		})
	}
}
