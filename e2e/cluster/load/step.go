package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// step calls do for 0 to n-1 from all workers and reports the duration. Existing objects count as
// created.
func (l *loader) step(ctx context.Context, what string, n int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, existed atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range min(l.workers, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				err := do(ctx, i)
				if apierrors.IsAlreadyExists(err) {
					existed.Add(1)
				} else if err != nil {
					cancel(fmt.Errorf("%s: %w", what, err))
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.report(what, n, time.Since(start))
	if x := existed.Load(); x > 0 {
		l.report(what+" that existed", int(x), 0)
	}
	return nil
}

// report prints one line: the action, the count and, unless took is zero, the rate.
func (l *loader) report(what string, n int, took time.Duration) {
	switch {
	case l.json:
		fmt.Printf("{\"what\":%q,\"n\":%d,\"seconds\":%.3f}\n", what, n, took.Seconds())
	case took == 0:
		fmt.Printf("%-28s %7d\n", what, n)
	default:
		fmt.Printf("%-28s %7d  %8.3f s  %7.0f /s\n", what, n, took.Seconds(), float64(n)/took.Seconds())
	}
}

// list reads all objects back once, like an informer on startup.
func (l *loader) list(ctx context.Context) error {
	start := time.Now()
	svcs, err := l.cs.CoreV1().Services("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	l.report("list services", len(svcs.Items), time.Since(start))

	start = time.Now()
	slices, err := l.cs.DiscoveryV1().EndpointSlices("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("list endpoint slices: %w", err)
	}
	l.report("list endpoint slices", len(slices.Items), time.Since(start))
	addresses := 0
	for i := range slices.Items {
		for _, ep := range slices.Items[i].Endpoints {
			addresses += len(ep.Addresses)
		}
	}
	l.report("addresses listed", addresses, 0)
	return nil
}

// deleteAll deletes everything with the label. The Services go first: the namespace controller
// would delete them one after the other.
func (l *loader) deleteAll(ctx context.Context) error {
	opts := metav1.ListOptions{LabelSelector: "load=true"}
	list, err := l.cs.CoreV1().Namespaces().List(ctx, opts)
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	svcs, err := l.cs.CoreV1().Services("").List(ctx, opts)
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	start := time.Now()
	if err := l.step(ctx, "delete services", len(svcs.Items), func(ctx context.Context, i int) error {
		svc := &svcs.Items[i]
		return ignoreGone(l.cs.CoreV1().Services(svc.Namespace).Delete(ctx, svc.Name, metav1.DeleteOptions{}))
	}); err != nil {
		return err
	}
	if err := l.step(ctx, "delete namespaces", len(list.Items), func(ctx context.Context, i int) error {
		return ignoreGone(l.cs.CoreV1().Namespaces().Delete(ctx, list.Items[i].Name, metav1.DeleteOptions{}))
	}); err != nil {
		return err
	}
	for {
		left, err := l.cs.CoreV1().Namespaces().List(ctx, opts)
		if err != nil {
			return fmt.Errorf("list namespaces: %w", err)
		}
		if len(left.Items) == 0 {
			l.report("namespaces gone", len(list.Items), time.Since(start))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
