package upstreams

import (
	"strings"
	"testing"
	"time"
)

// servers parses a list of words in the form of --server.
func servers(t testing.TB, text string) []Server {
	t.Helper()
	var list []Server
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "/") {
			list = append(list, ParseOption(word)...)
			continue
		}
		list = append(list, ParseOption("/x/"+word)...)
		list[len(list)-1].Domain = ""
	}
	return list
}

func lines(r Rollout) string { return strings.Join(Texts(r.Lines()), " ") }

func TestRollout(t *testing.T) {
	type step struct {
		after time.Duration // since the previous step
		offer string
		want  string
		due   time.Duration // from this step on; 0: no line disappears
	}
	const s = time.Second
	tests := map[string]struct {
		begin string
		steps []step
	}{
		"nothing changes": {"192.0.2.1", []step{{0, "192.0.2.1", "192.0.2.1", 0}}},
		"new servers are there at once": {"192.0.2.1", []step{
			{0, "/a/192.0.2.2 192.0.2.1 192.0.2.3", "/a/192.0.2.2 192.0.2.1 192.0.2.3", 0},
		}},
		"old servers stay after the new ones for six seconds": {"192.0.2.1 192.0.2.2", []step{
			{0, "192.0.2.3", "192.0.2.3 192.0.2.1 192.0.2.2", 6 * s},
			{5 * s, "192.0.2.3", "192.0.2.3 192.0.2.1 192.0.2.2", 1 * s},
			{1 * s, "192.0.2.3", "192.0.2.3", 0},
		}},
		"a server of one domain is not that of another": {"/a/192.0.2.1", []step{
			{0, "/b/192.0.2.1", "/b/192.0.2.1 /a/192.0.2.1", 6 * s},
			{6 * s, "/b/192.0.2.1", "/b/192.0.2.1", 0},
		}},
		"each leaves at its own time": {"192.0.2.1", []step{
			{0, "192.0.2.2", "192.0.2.2 192.0.2.1", 6 * s},
			{2 * s, "192.0.2.3", "192.0.2.3 192.0.2.2 192.0.2.1", 4 * s},
			{4 * s, "192.0.2.3", "192.0.2.3 192.0.2.2", 2 * s},
			{2 * s, "192.0.2.3", "192.0.2.3", 0},
		}},
		"a server that comes back stays": {"192.0.2.1", []step{
			{0, "192.0.2.2", "192.0.2.2 192.0.2.1", 6 * s},
			{1 * s, "192.0.2.1", "192.0.2.1 192.0.2.2", 6 * s},
			{6 * s, "192.0.2.1", "192.0.2.1", 0},
		}},
		"another order is a change": {"192.0.2.1 192.0.2.2", []step{
			{0, "192.0.2.2 192.0.2.1", "192.0.2.2 192.0.2.1", 0},
		}},
		"everything goes": {"192.0.2.1", []step{
			{0, "", "192.0.2.1", 6 * s},
			{6 * s, "", "", 0},
		}},
		"a domain goes": {"/a/192.0.2.1 192.0.2.2", []step{
			{0, "192.0.2.2", "192.0.2.2 /a/192.0.2.1", 6 * s},
			{6 * s, "192.0.2.2", "192.0.2.2", 0},
		}},
		"a server that leads back goes at once": {"192.0.2.1 192.0.2.66", []step{
			{0, "192.0.2.1", "192.0.2.1", 0},
		}},
	}
	looping := map[Server]bool{servers(t, "192.0.2.66")[0]: true}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			r := Begin(servers(t, tt.begin), nil)
			for i, step := range tt.steps {
				now = now.Add(step.after)
				next := r.Offer(servers(t, step.offer), nil, looping, now)
				if got := lines(next); got != step.want {
					t.Errorf("step %d: lines %q, want %q", i+1, got, step.want)
				}
				var want time.Time
				if step.due > 0 {
					want = now.Add(step.due)
				}
				if got := next.Due(); !got.Equal(want) {
					t.Errorf("step %d: due %v, want %v", i+1, got, want)
				}
				r = next
			}
		})
	}
}

// TestMarked: markers are after all servers, without duplicates.
func TestMarked(t *testing.T) {
	r := Begin(servers(t, "192.0.2.1"), servers(t, "/m/127.0.0.1"))
	r = r.Offer(servers(t, "192.0.2.2"), servers(t, "/m/127.0.0.1"), nil, time.Unix(1000, 0))
	r = r.Marked(servers(t, "/n/127.0.0.1 /m/127.0.0.1"))
	if got, want := lines(r), "192.0.2.2 192.0.2.1 /m/127.0.0.1 /n/127.0.0.1"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
}
