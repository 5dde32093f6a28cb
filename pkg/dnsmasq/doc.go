// Package dnsmasq runs dnsmasq, keeps it running, and configures its servers from the configuration
// of kube-dns. It also reads dnsmasq's counters, for the sidecar.
//
//	config.Source ─► Update ─┐                            ┌─► servers file ─► SIGHUP ─► check
//	names ─► Resolver ───────┼─► Servers ─► supervisor.act┤
//	resolv.conf ─────────────┘                            └─► arguments ─► a new Process
//
// A change of servers does not restart dnsmasq. The servers are in the file of --servers-file,
// which dnsmasq reads again at SIGHUP. These properties of dnsmasq 2.90 shape the rest:
//
//   - A SIGHUP in its first milliseconds kills it, so none is sent before it has replied to a
//     query (class CHAOS) about itself.
//   - It drops pending queries of a server when its line disappears. So removed servers remain
//     listed for 6 seconds, after the new ones: a rollout.
//   - It uses the good lines of a file and skips the rest. So there is no rollback; its list of
//     servers is compared with the file after each change.
//   - It can print any text that a client chooses. So its log changes no state.
//   - It does not forward a query again that returns to it, unless an option makes it retry. So
//     none is added, and servers that lead back are dropped.
//   - SIGHUP empties its cache, so it is sent only if the file changed, and more pending queries
//     are allowed (--dns-forward-max) than by default.
//   - Children that it forks for TCP keep its port when it dies, so it runs in its own process
//     group, and the next one starts after the end of the group.
//
// The file is below /dev/shm, or else in the state directory. Servers are arguments, and a change
// of them restarts dnsmasq, if the file cannot work: the arguments have one already, or dnsmasq's
// user can enter no directory for it. One log line has the reason.
package dnsmasq
