package hostnet

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestLock has another program that holds the lock of iptables.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	t.Setenv("XTABLES_LOCKFILE", path)
	lock, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	w := world.New(t)
	w.Node.Do(func() { _, err = ensureRule("iptables-legacy", selfRules(config())[0], world.LinkLocal) })
	if got := Kinds(err); !slices.Equal(got, []Kind{KindRulesLock}) {
		t.Errorf("got %v of the error %v, want %s", got, err, KindRulesLock)
	}
}

func TestKinds(t *testing.T) {
	rules := &Error{Kind: KindRules, Err: errors.New("rules")}
	add := &Error{Kind: KindInterfaceAdd, Err: errors.New("add")}
	got := Kinds(errors.Join(rules, errors.New("other"), errors.Join(add, rules)))
	if !slices.Equal(got, []Kind{KindRules, KindInterfaceAdd}) {
		t.Errorf("got %v, want each kind once", got)
	}
	if got := Kinds(nil); got != nil {
		t.Errorf("got %v of no error, want none", got)
	}
}
