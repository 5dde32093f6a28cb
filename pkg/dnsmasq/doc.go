// Package dnsmasq runs dnsmasq, keeps it running, and gives it the servers that
// the configuration of kube-dns asks for. It also reads dnsmasq's counters, for
// the sidecar.
//
//	config.Source ─► Update ─┐                            ┌─► servers file ─► SIGHUP ─► check
//	names ─► Resolver ───────┼─► Servers ─► supervisor.act┤
//	resolv.conf ─────────────┘                            └─► arguments ─► a new Process
//
// A change of servers does not restart dnsmasq. They are in the file of
// --servers-file, which dnsmasq reads again when it gets SIGHUP. These properties
// of dnsmasq 2.90 shape the rest:
//
//   - A SIGHUP in its first milliseconds ends it, so none is sent before it has
//     answered a query (class CHAOS) about itself.
//   - It drops pending queries of a server whose line goes. So removed servers
//     stay listed for 6 seconds, after the new ones: a rollout.
//   - It takes the good lines of a file and skips the others. So nothing is rolled
//     back; its list of servers is compared with the file after each change.
//   - It can print any text that a client chooses. So its log changes nothing.
//   - It does not forward a query again that comes back to it, unless an option
//     makes it retry. So none is added, and servers that lead back are left out.
//   - SIGHUP empties its cache, so it gets none unless the file changed, and is
//     allowed more pending queries (--dns-forward-max) than by default.
//   - Children that it forks for TCP keep its port when it dies, so it runs in a
//     process group of its own, and the next one starts when the group is gone.
//
// The file is below /dev/shm, or else in the state directory. Where it cannot work
// (the arguments have one already, or there is no directory for it that dnsmasq's
// user can enter) the servers are arguments, and a change of them restarts
// dnsmasq. One log line has the reason.
package dnsmasq
