package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/kubeapi"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
)

const (
	starts      = 5
	newServices = 20
	updateRate  = 200
	updateTime  = 5 * time.Second
	updateTurns = 5
)

// changes measures the servers that follow the API server: the time of a start and the
// cost of a change.
func (b *bench) changes(ctx context.Context, s *setup) error {
	for _, p := range b.chosen() {
		if !p.Follows {
			continue
		}
		b.step("%s: starts, changes and updates: %s", s.Name, p.Title)
		if err := b.change(ctx, s, p); err != nil {
			return fmt.Errorf("%s, %s: %w", s.Name, p.Name, err)
		}
		if err := b.save(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) change(ctx context.Context, s *setup, p peer.Peer) error {
	res := s.peer(p.Name)
	var last *peer.Running
	for i := range starts {
		if p.Pod && i < starts-1 {
			continue // its kube-dns was started before
		}
		r, took, err := b.start(ctx, s, p)
		if err != nil {
			return err
		}
		res.StartMs = append(res.StartMs, took.Seconds()*1e3)
		res.StartCPU = append(res.StartCPU, spent(r))
		if i < starts-1 {
			r.Stop()
		}
		last = r
	}
	defer last.Stop()
	time.Sleep(2 * time.Second)
	if !p.SlowChanges {
		after, send, err := newService(ctx, s, last)
		if err != nil {
			return err
		}
		res.ChangeMs, res.SendMs = after, send
	}
	group := s.Headless[len(s.Headless)-1]
	for range updateTurns {
		cost, rate, err := updates(ctx, s.api, last, group, updateRate, updateTime)
		if err != nil {
			return err
		}
		res.UpdateMs = append(res.UpdateMs, cost)
		res.UpdateRate = append(res.UpdateRate, rate)
	}
	return nil
}

// updates returns the processor time in ms of one changed EndpointSlice, minus that of an idle
// server, and the updates per second.
func updates(ctx context.Context, api *kubeapi.Client, r *peer.Running, g dataset.Group, rate int,
	d time.Duration) (ms, perSecond float64, err error) {
	const idle = 2 * time.Second
	before := spent(r)
	time.Sleep(idle)
	idleShare := (spent(r) - before) / idle.Seconds()
	before, began := spent(r), time.Now()
	n, err := kubeapi.Churn(ctx, api, g, rate, d)
	if err != nil {
		return 0, 0, fmt.Errorf("update endpoint slices: %w", err)
	}
	perSecond = float64(n) / time.Since(began).Seconds()
	time.Sleep(500 * time.Millisecond)
	cost := spent(r) - before - idleShare*time.Since(began).Seconds()
	return cost / float64(n) * 1e3, perSecond, r.Alive()
}

// newService creates Services one by one and returns the times from the watch event and from the
// request to the first correct reply. It sends no query before the event, since the negative reply
// could be cached.
func newService(ctx context.Context, s *setup, r *peer.Running) (after, send []float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan event, newServices) // sent by the watch
	ended := make(chan struct{})            // closed when the watch has returned
	go func() {
		defer close(ended)
		err := s.api.Watch(ctx, kubeapi.ServicesPath(newNamespace),
			func(name string) { events <- event{name, time.Now()} })
		if err != nil {
			fmt.Fprintln(os.Stderr, "watch services:", err)
		}
	}()
	defer func() {
		cancel()
		for {
			select {
			case <-events:
			case <-ended:
				return
			}
		}
	}()
	for i := range newServices {
		sent, seen, right, err := newOne(ctx, s, r, events, i)
		if err != nil {
			return nil, nil, err
		}
		after = append(after, right.Sub(seen).Seconds()*1e3)
		send = append(send, right.Sub(sent).Seconds()*1e3)
	}
	return after, send, nil
}

const newNamespace = "svc-0"

// newOne creates and deletes one Service. It returns the times of the request, of the event and of
// the first correct reply.
func newOne(ctx context.Context, s *setup, r *peer.Running, events <-chan event, i int) (
	sent, seen, right time.Time, err error) {
	name := fmt.Sprintf("new-%d-%d", os.Getpid(), i)
	ip := netip.AddrFrom4([4]byte{10, 101, 200, byte(i + 1)})
	path := kubeapi.ServicesPath(newNamespace)
	sent = time.Now()
	if _, err := s.api.Do(ctx, http.MethodPost, path, kubeapi.Service(name, ip)); err != nil {
		return sent, seen, right, fmt.Errorf("make a service: %w", err)
	}
	if seen, err = await(events, name); err != nil {
		return sent, seen, right, err
	}
	if right, err = firstRight(r, probe{name + "." + newNamespace + ".svc." + dataset.Zone, 1, ip}); err != nil {
		return sent, seen, right, err
	}
	if _, err := s.api.Do(ctx, http.MethodDelete, path+"/"+name, nil); err != nil {
		return sent, seen, right, fmt.Errorf("delete a service: %w", err)
	}
	return sent, seen, right, nil
}

type event struct {
	name string
	at   time.Time
}

func await(events <-chan event, name string) (time.Time, error) {
	limit := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if e.name == name {
				return e.at, nil
			}
		case <-limit:
			return time.Time{}, errors.New("no watch event within 10 s")
		}
	}
}

func firstRight(r *peer.Running, p probe) (time.Time, error) {
	conn, err := dns.DialTimeout("udp", r.Address.String(), time.Second)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	conn.UDPSize = 4096
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = p.right(conn); err == nil {
			return time.Now(), nil
		}
		time.Sleep(200 * time.Microsecond)
	}
	return time.Time{}, err
}
