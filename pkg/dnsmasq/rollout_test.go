package dnsmasq

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// servers reads a list of words as --server takes them.
func servers(t testing.TB, text string) []Server {
	t.Helper()
	var list []Server
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "/") {
			list = append(list, parseDomainServer(word)...)
			continue
		}
		list = append(list, parseDomainServer("/x/"+word)...)
		list[len(list)-1].Domain = ""
	}
	return list
}

func lines(r rollout) string { return strings.Join(texts(r.lines), " ") }

func TestRollout(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		offer string
		want  string
		due   time.Duration // from this step on; 0: nothing leaves
	}
	const s = time.Second
	type test struct {
		begin string
		steps []step
	}
	behind := map[string]test{
		"nothing changes": {"192.0.2.1", []step{{0, "192.0.2.1", "192.0.2.1", 0}}},
		"new servers are there at once": {"192.0.2.1", []step{
			{0, "/a/192.0.2.2 192.0.2.1 192.0.2.3", "/a/192.0.2.2 192.0.2.1 192.0.2.3", 0},
		}},
		"old servers stay behind the new ones for six seconds": {"192.0.2.1 192.0.2.2", []step{
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
		"the servers of a domain that goes stay behind those that stand in": {"/a/192.0.2.1 192.0.2.2 192.0.2.3", []step{
			{0, "192.0.2.2 192.0.2.3", "192.0.2.2 192.0.2.3 /a/192.0.2.2 /a/192.0.2.3 /a/192.0.2.1", 6 * s},
			{6 * s, "192.0.2.2 192.0.2.3", "192.0.2.2 192.0.2.3 /a/192.0.2.2 /a/192.0.2.3", 0},
		}},
	}
	repeated := map[string]test{
		"nothing changes": {"192.0.2.1", []step{{0, "192.0.2.1", "192.0.2.1", 0}}},
		"new servers take the place of old ones": {"/a/192.0.2.1 192.0.2.1 192.0.2.2", []step{
			{0, "/a/192.0.2.2 192.0.2.3 192.0.2.4", "/a/192.0.2.2 192.0.2.3 192.0.2.4", 0},
		}},
		"more servers": {"192.0.2.1", []step{{0, "192.0.2.2 192.0.2.3", "192.0.2.2 192.0.2.3", 0}}},
		"fewer servers: the last one is repeated": {"192.0.2.1 192.0.2.2 192.0.2.3", []step{
			{0, "192.0.2.4 192.0.2.5", "192.0.2.4 192.0.2.5 192.0.2.5", 0},
			{9 * s, "192.0.2.3", "192.0.2.3 192.0.2.3 192.0.2.3", 0},
		}},
		"a new server takes the place of a repeat": {"192.0.2.1 192.0.2.2", []step{
			{0, "192.0.2.1", "192.0.2.1 192.0.2.1", 0},
			{9 * s, "192.0.2.1 192.0.2.3", "192.0.2.1 192.0.2.3", 0},
		}},
		"domains count for themselves": {"/a/192.0.2.1 /a/192.0.2.2 192.0.2.1", []step{
			{0, "/a/192.0.2.3 192.0.2.1 192.0.2.2", "/a/192.0.2.3 192.0.2.1 192.0.2.2 /a/192.0.2.3", 0},
		}},
		"nobody stands in for the servers of a domain that goes: they stay": {"/a/192.0.2.1 /b/192.0.2.1", []step{
			{0, "/b/192.0.2.2", "/b/192.0.2.2 /a/192.0.2.1", 6 * s},
			{5 * s, "/b/192.0.2.3", "/b/192.0.2.3 /a/192.0.2.1", 1 * s},
			{1 * s, "/b/192.0.2.3", "/b/192.0.2.3", 0},
		}},
		"default servers stand in for those of a domain that goes": {"/a/192.0.2.1 192.0.2.2 192.0.2.3", []step{
			{0, "192.0.2.2 192.0.2.3", "192.0.2.2 192.0.2.3 /a/192.0.2.2 /a/192.0.2.3", 0},
			{9 * s, "192.0.2.3 192.0.2.2", "192.0.2.3 192.0.2.2 /a/192.0.2.3 /a/192.0.2.2", 0},
			{9 * s, "192.0.2.4", "192.0.2.4 /a/192.0.2.4 192.0.2.4 /a/192.0.2.4", 0},
		}},
		"fewer of them": {"/a/192.0.2.1 /a/192.0.2.5 192.0.2.2", []step{
			{0, "192.0.2.2", "192.0.2.2 /a/192.0.2.2 /a/192.0.2.2", 0},
		}},
		"the closest domain around it stands in": {"/b.a/192.0.2.1 /a/192.0.2.2 192.0.2.3", []step{
			{0, "/a/192.0.2.2 192.0.2.3", "/a/192.0.2.2 192.0.2.3 /b.a/192.0.2.2", 0},
			{9 * s, "/a/192.0.2.4 192.0.2.3", "/a/192.0.2.4 192.0.2.3 /b.a/192.0.2.4", 0},
			{9 * s, "192.0.2.3", "192.0.2.3 /b.a/192.0.2.3 /a/192.0.2.3", 0},
			{9 * s, "/b.a/192.0.2.5 192.0.2.3", "/b.a/192.0.2.5 192.0.2.3 /a/192.0.2.3", 0},
		}},
		"a domain that others stood in for comes back": {"/a/192.0.2.1 192.0.2.2 192.0.2.3", []step{
			{0, "192.0.2.2 192.0.2.3", "192.0.2.2 192.0.2.3 /a/192.0.2.2 /a/192.0.2.3", 0},
			{9 * s, "/a/192.0.2.1 192.0.2.2 192.0.2.3", "/a/192.0.2.1 192.0.2.2 192.0.2.3 /a/192.0.2.1", 0},
		}},
		"all servers go, those that stand in too": {"/a/192.0.2.1 192.0.2.2", []step{
			{0, "192.0.2.2", "192.0.2.2 /a/192.0.2.2", 0},
			{9 * s, "", "192.0.2.2 /a/192.0.2.2", 6 * s},
			{6 * s, "", "", 0},
		}},
		"a domain that comes back": {"/a/192.0.2.1", []step{
			{0, "", "/a/192.0.2.1", 6 * s},
			{1 * s, "/a/192.0.2.2", "/a/192.0.2.2", 0},
		}},
		"a domain that goes while a server is repeated": {"/a/192.0.2.1 /a/192.0.2.2", []step{
			{0, "/a/192.0.2.1", "/a/192.0.2.1 /a/192.0.2.1", 0},
			{9 * s, "", "/a/192.0.2.1 /a/192.0.2.1", 6 * s},
			{6 * s, "", "", 0},
		}},
		"another order": {"192.0.2.1 192.0.2.2", []step{
			{0, "192.0.2.2 192.0.2.1", "192.0.2.2 192.0.2.1", 0},
		}},
	}
	atOnce := map[string]test{
		"fewer servers: the last one is repeated for six seconds": {"192.0.2.1 192.0.2.2 192.0.2.3", []step{
			{0, "192.0.2.4 192.0.2.5", "192.0.2.4 192.0.2.5 192.0.2.5", 6 * s},
			{5 * s, "192.0.2.4 192.0.2.5", "192.0.2.4 192.0.2.5 192.0.2.5", 1 * s},
			{1 * s, "192.0.2.4 192.0.2.5", "192.0.2.4 192.0.2.5", 0},
		}},
		"each repeat goes at its own time": {"192.0.2.1 192.0.2.2 192.0.2.3", []step{
			{0, "192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2 192.0.2.2", 6 * s},
			{2 * s, "192.0.2.3", "192.0.2.3 192.0.2.3 192.0.2.3", 4 * s},
			{4 * s, "192.0.2.3", "192.0.2.3 192.0.2.3", 2 * s},
			{2 * s, "192.0.2.3", "192.0.2.3", 0},
		}},
	}
	run := func(t *testing.T, tt test, cmd CommandLine, retries bool) {
		now := time.Unix(1000, 0)
		r := begin(servers(t, tt.begin), cmd, retries)
		for i, step := range tt.steps {
			now = now.Add(step.after)
			next := r.offer(servers(t, step.offer), now)
			if got := lines(next); got != step.want {
				t.Errorf("step %d: lines %q, want %q", i+1, got, step.want)
			}
			var want time.Time
			if step.due > 0 {
				want = now.Add(step.due)
			}
			if got := next.due(); !got.Equal(want) {
				t.Errorf("step %d: due %v, want %v", i+1, got, want)
			}
			r = next
		}
	}
	for name, tt := range behind {
		t.Run("without retries/"+name, func(t *testing.T) { run(t, tt, CommandLine{}, false) })
	}
	for name, tt := range repeated {
		t.Run("with retries/"+name, func(t *testing.T) { run(t, tt, CommandLine{}, true) })
	}
	for name, tt := range atOnce {
		t.Run("with retries, all asked at once/"+name, func(t *testing.T) { run(t, tt, CommandLine{AllServers: true}, true) })
	}
}

func TestRolloutRefused(t *testing.T) {
	now := time.Unix(1000, 0)
	old := begin(servers(t, "192.0.2.1"), CommandLine{}, false)
	bad := old.offer(servers(t, "192.0.2.2"), now)
	back := old.refuse(bad)
	if got, want := lines(back), "192.0.2.1"; got != want || string(back.content) != string(old.content) {
		t.Errorf("after a refusal %q, want %q", got, want)
	}
	again := back.offer(servers(t, "192.0.2.2"), now)
	if !again.same(back) {
		t.Errorf("a refused list was offered again: %q", lines(again))
	}
	other := again.offer(servers(t, "192.0.2.2 192.0.2.3"), now)
	if got, want := lines(other), "192.0.2.2 192.0.2.3 192.0.2.1"; got != want {
		t.Errorf("another list %q, want %q", got, want)
	}
	retry := other.offer(servers(t, "192.0.2.2"), now)
	if got, want := lines(retry), "192.0.2.2 192.0.2.3 192.0.2.1"; got != want {
		t.Errorf("the refused list after another one %q, want %q", got, want)
	}
}

func TestRolloutAdded(t *testing.T) {
	old := begin(servers(t, "/a/192.0.2.1 192.0.2.2"), CommandLine{}, false)
	next := old.offer(servers(t, "/b/192.0.2.1 192.0.2.3#5353 /c/192.0.2.3#5353"), time.Unix(1000, 0))
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.3:5353")}
	if diff := cmp.Diff(want, old.added(next), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
}
