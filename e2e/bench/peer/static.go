package peer

import (
	"fmt"
	"path/filepath"
)

func (s *Site) zones() (forward, reverse string, err error) {
	forward, reverse = filepath.Join(s.Dir, "forward.zone"), filepath.Join(s.Dir, "reverse.zone")
	return forward, reverse, s.Set.WriteZones(forward, reverse)
}

func (s *Site) onePort() (string, error) {
	p, err := ports(1)
	if err != nil {
		return "", err
	}
	s.at(p[0])
	return p[0], nil
}

// nsd is NSD with one server process and without its limit on answers.
func nsd(s *Site) ([]command, error) {
	port, err := s.onePort()
	if err != nil {
		return nil, err
	}
	forward, reverse, err := s.zones()
	if err != nil {
		return nil, err
	}
	conf, err := s.file("nsd.conf", fmt.Sprintf(`server:
  ip-address: 127.0.0.1@%s
  do-ip6: no
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "%[2]s"
  zonelistfile: "%[2]s/zone.list"
  xfrdfile: "%[2]s/xfrd.state"
  pidfile: ""
  database: ""
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: cluster.local
  zonefile: "%[3]s"
zone:
  name: 10.in-addr.arpa
  zonefile: "%[4]s"
`, port, s.Dir, forward, reverse))
	return []command{{label: "nsd", args: []string{s.Bin["nsd"], "-d", "-c", conf}}}, err
}

// knot is Knot DNS with one worker of each kind.
func knot(s *Site) ([]command, error) {
	port, err := s.onePort()
	if err != nil {
		return nil, err
	}
	forward, reverse, err := s.zones()
	if err != nil {
		return nil, err
	}
	conf, err := s.file("knot.conf", fmt.Sprintf(`server:
    listen: 127.0.0.1@%s
    rundir: "%[2]s"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "%[2]s"
template:
  - id: default
    storage: "%[2]s"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: cluster.local
    file: "%[3]s"
  - domain: 10.in-addr.arpa
    file: "%[4]s"
`, port, s.Dir, forward, reverse))
	return []command{{label: "knot", args: []string{s.Bin["knotd"], "-c", conf}}}, err
}

// echo is this program's own.
func echo(s *Site) ([]command, error) {
	port, err := s.onePort()
	return []command{{label: "echo", args: []string{s.Bin["bench"], "echo", "127.0.0.1:" + port}}}, err
}
