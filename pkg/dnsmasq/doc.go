// Package dnsmasq runs dnsmasq, keeps it running, and gives it the servers that
// the configuration of kube-dns asks for. It also reads dnsmasq's counters, for
// the sidecar.
//
//	config.Source ─► Update ─┐                            ┌─► servers file ─► SIGHUP ─► check ─► rolled back
//	names ─► Resolver ───────┼─► Servers ─► supervisor.act┤
//	resolv.conf ─────────────┘                            └─► arguments ─► a new Process
//
// A change of servers does not restart dnsmasq. They stand in the file of
// --servers-file, which dnsmasq reads again when it gets SIGHUP. What is known
// of dnsmasq 2.90 shapes the rest:
//
//   - A SIGHUP in its first milliseconds ends it, so none is sent before it has
//     answered a question (class CHAOS) about itself.
//   - A query that waits for a server whose line goes is never answered. A line
//     that takes the place of another one of its domain takes over its queries,
//     and dnsmasq asks again by itself (--fast-dns-retry). So new servers replace
//     old ones at once, a domain keeps its number of lines for 6 seconds, and one
//     that is removed keeps lines of the servers that answer its names anyway.
//     Without retries, and where nothing can stand in for a domain, old servers
//     stay listed for 6 seconds, behind the new ones: a rollout.
//   - A file that it cannot read, or understand, leaves it with old servers or
//     none, so its list of servers is looked at after each change, and its log
//     is listened to; where it did not take the change the old file comes back,
//     once: a check.
//   - SIGHUP empties its cache, so it gets none unless the file changed, and is
//     allowed more waiting queries (--dns-forward-max) than by default.
//   - Children that it forks for TCP keep its port when it dies, so it runs in a
//     process group of its own, and the next one starts when the group is gone.
//
// The file is below /dev/shm, or else in the state directory. Where it cannot work
// (the arguments have one already, or there is no directory for it that dnsmasq's
// user can enter) the servers are arguments, and a change of them restarts dnsmasq. One log line says so, and why.
package dnsmasq
