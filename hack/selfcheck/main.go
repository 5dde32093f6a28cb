// Selfcheck sends queries to a DNS server, for hack/run.sh. It needs no dig.
//
//	selfcheck free VARIABLE=udp/127.0.0.1:1053 ...
//	        fails, naming the variable, if an address is taken
//	selfcheck get 10s http://127.0.0.1:8081/readiness ...
//	        waits until all URLs return status 200
//	selfcheck ask 127.0.0.1:1053 A shop.default.svc.cluster.local [TYPE NAME ...]
//	        prints the answers; types are A, AAAA, CNAME, PTR (NAME is an address), SRV and TXT
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 1 && args[0] == "free":
		return free(args[1:])
	case len(args) > 2 && args[0] == "get":
		limit, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		return get(limit, args[2:])
	case len(args) > 3 && args[0] == "ask" && len(args)%2 == 0:
		return ask(args[1], args[2:])
	}
	return errors.New("usage: selfcheck free VARIABLE=udp/ADDRESS ... | get TIME URL ... | " +
		"ask ADDRESS TYPE NAME ...")
}

// free binds each address for a moment.
func free(list []string) error {
	var errs []error
	taken := map[string]bool{} // variables
	for _, arg := range list {
		variable, place, _ := strings.Cut(arg, "=")
		network, addr, _ := strings.Cut(place, "/")
		if err := bind(network, addr); err != nil && !taken[variable] {
			taken[variable] = true
			errs = append(errs, fmt.Errorf("cannot listen on %s: choose another port with %s=... (%w)", addr,
				variable, err))
		}
	}
	return errors.Join(errs...)
}

func bind(network, addr string) error {
	if network == "udp" {
		c, err := net.ListenPacket(network, addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return err
	}
	return l.Close()
}

func get(limit time.Duration, urls []string) error {
	client := http.Client{Timeout: 3 * time.Second}
	for _, url := range urls {
		err := retry(limit, func() error {
			r, err := client.Get(url)
			if err != nil {
				return err
			}
			defer r.Body.Close()
			if r.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", url, r.Status)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// retry tries until it works or the time is over.
func retry(limit time.Duration, try func() error) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		if err := try(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func ask(server string, questions []string) error {
	var failed error
	for i := 0; i < len(questions); i += 2 {
		rrtype, name := questions[i], questions[i+1]
		answers, err := lookup(server, rrtype, name)
		text := strings.Join(answers, ", ")
		if err != nil || len(answers) == 0 {
			text, failed = "no answer", errors.New("not all names have an answer")
		}
		fmt.Printf("  %-5s %-46s %s\n", rrtype, name, text)
	}
	return failed
}

func lookup(server, rrtype, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}
	absolute := strings.TrimSuffix(name, ".") + "."
	switch rrtype {
	case "A":
		return texts(r.LookupNetIP(ctx, "ip4", absolute))
	case "AAAA":
		return texts(r.LookupNetIP(ctx, "ip6", absolute))
	case "CNAME":
		target, err := r.LookupCNAME(ctx, absolute)
		return []string{target}, err
	case "PTR":
		return r.LookupAddr(ctx, name)
	case "TXT":
		return r.LookupTXT(ctx, absolute)
	case "SRV":
		_, records, err := r.LookupSRV(ctx, "", "", absolute)
		var out []string
		for _, s := range records {
			out = append(out, fmt.Sprintf("%s port %d", s.Target, s.Port))
		}
		return out, err
	}
	return nil, fmt.Errorf("unknown type %s", rrtype)
}

func texts(addrs []netip.Addr, err error) ([]string, error) {
	var out []string
	for _, a := range addrs {
		out = append(out, a.Unmap().String())
	}
	return out, err
}
