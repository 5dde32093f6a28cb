package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

const (
	// locateEvery is the minimum time between two lists while no node has labels.
	locateEvery = time.Minute
	// A query waits for the lookup.
	locateTimeout = 4 * time.Second
	// A Node contains the names of all its images.
	nodesPerPage = 50
)

var errNoLocation = errors.New("no node has the labels topology.kubernetes.io/zone and " +
	"topology.kubernetes.io/region, of which the names of federated clusters are made")

// A locator finds the cluster's location from the labels of its nodes. It is safe for concurrent
// use: one caller lists nodes, the others wait for it.
type locator struct {
	nodes listwatch.Resource[kubedns.Location]
	turn  chan struct{} // of capacity one; its sender owns the fields below
	found kubedns.Location
	err   error
	tried time.Time
}

func (c *Client) locator() *locator {
	return &locator{
		turn: make(chan struct{}, 1),
		nodes: listwatch.Resource[kubedns.Location]{
			Name: "nodes", API: c.api,
			Kind:   typeOf("v1", "Node"),
			Decode: listwatch.DecodeAs(convert.Location),
		},
	}
}

// locate returns the location of the first node that has one. It keeps a location for good, and an
// error for a minute.
func (l *locator) locate(ctx context.Context) (kubedns.Location, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return kubedns.Location{}, ctx.Err()
	}
	if l.tried.IsZero() || l.err != nil && time.Since(l.tried) >= locateEvery {
		l.found, l.err = l.ask(ctx)
		l.tried = time.Now()
	}
	return l.found, l.err
}

// ask lists nodes up to the first that has a location. The end of the first query does not stop it,
// because other queries wait for the same result.
func (l *locator) ask(ctx context.Context) (kubedns.Location, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), locateTimeout)
	defer cancel()
	var found kubedns.Location
	err := errNoLocation
	_, listErr := l.nodes.Each(ctx, nodesPerPage, func(at kubedns.Location) bool {
		found, err = at, nil
		return false
	})
	if listErr != nil {
		return kubedns.Location{}, fmt.Errorf("find out the cluster's zone and region: %w", listErr)
	}
	return found, err
}
