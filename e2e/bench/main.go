// Command bench measures kube-dns and other DNS servers with a cluster of a real API server. run.sh
// builds its inputs and calls it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/echo"
	"github.com/kube-dns/kube-dns/e2e/bench/kubeapi"
	"github.com/kube-dns/kube-dns/e2e/bench/loadgen"
	"github.com/kube-dns/kube-dns/e2e/bench/report"
)

const usage = `Usage: bench COMMAND [flags]

  run      measure; run.sh calls it with the programs that it built
  report   make tables, charts and the page from a result file
  gen      send queries to a DNS server, as run does
  echo     send every packet back, with the size in its id
  world    serve outside names, for lookups.sh
  update   change one EndpointSlice after the other, to profile a server meanwhile

"bench COMMAND -h" lists the flags. Examples:
  bench gen -server 127.0.0.1:10053 -questions out/large-a.txt -seconds 5
  bench report -in out/results.json -page ../docs/performance.md
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("which command?")
	}
	switch name, args := args[0], args[1:]; name {
	case "run":
		return run(ctx, args)
	case "report":
		return makeReport(args)
	case "gen":
		return generate(args)
	case "update":
		return update(ctx, args)
	case "world":
		return serveWorld(args)
	case "echo":
		return sendBack(args)
	default:
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("there is no command %q", name)
	}
}

// sendBack is the echo server.
func sendBack(args []string) error {
	f := flag.NewFlagSet("echo", flag.ContinueOnError)
	polled := f.Bool("polled", false, "have the socket polled by an epoll instance, to see what that costs")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return fmt.Errorf("echo: want an address, such as 127.0.0.1:5353")
	}
	addr, err := netip.ParseAddrPort(f.Arg(0))
	if err != nil {
		return err
	}
	return echo.Serve(addr, *polled)
}

// generate runs the load generator as a separate process.
func generate(args []string) error {
	f := flag.NewFlagSet("gen", flag.ContinueOnError)
	server := f.String("server", "127.0.0.1:53", "address to ask")
	file := f.String("questions", "", "file with a name and a type a line, as for dnsperf")
	sizes := f.String("sizes", "", "JSON file with a size for each question, for the echo server")
	edns := f.Bool("edns", false, "ask with EDNS")
	seconds := f.Float64("seconds", 5, "how long")
	window := f.Int("window", 256, "questions under way at a time")
	sockets := f.Int("sockets", 4, "sockets to ask from")
	rate := f.Int("rate", 0, "questions a second, and measure latency; 0: as many as the server answers")
	if err := f.Parse(args); err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(*server)
	if err != nil {
		return fmt.Errorf("-server: %w", err)
	}
	o := loadgen.Options{
		Server: addr, Duration: time.Duration(*seconds * 1e9), Window: *window, Sockets: *sockets, Rate: *rate,
	}
	questions, err := dataset.ReadQuestions(*file)
	if err != nil {
		return fmt.Errorf("-questions: %w", err)
	}
	if o.Questions, err = loadgen.Pack(questions, *edns); err != nil {
		return err
	}
	if *sizes != "" {
		if err := readJSON(*sizes, &o.Sizes); err != nil {
			return fmt.Errorf("-sizes: %w", err)
		}
	}
	ask := loadgen.Saturate
	if *rate > 0 {
		ask = loadgen.Pace
	}
	res, err := ask(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

// update changes EndpointSlices of a cluster with a data set.
func update(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("update", flag.ContinueOnError)
	kubeconfig := f.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig that e2e/cluster/up.sh has written")
	name := f.String("set", "large", "data set that the cluster holds")
	rate := f.Int("rate", updateRate, "updates a second")
	seconds := f.Float64("seconds", 10, "how long")
	if err := f.Parse(args); err != nil {
		return err
	}
	set, err := dataset.ByName(*name)
	if err != nil {
		return fmt.Errorf("-set: %w", err)
	}
	api, err := kubeapi.New(*kubeconfig)
	if err != nil {
		return fmt.Errorf("-kubeconfig: %w", err)
	}
	n, err := kubeapi.Churn(ctx, api, set.Headless[len(set.Headless)-1], *rate, time.Duration(*seconds*1e9))
	fmt.Println(n, "updates")
	return err
}

func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

func makeReport(args []string) error {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	in := f.String("in", "out/results.json", "results of run; several files, separated by commas, are put together")
	page := f.String("page", "", "page to put tables and charts into, between its markers; empty: print the tables")
	if err := f.Parse(args); err != nil {
		return err
	}
	var results *report.Results
	for path := range strings.SplitSeq(*in, ",") {
		part, err := report.Read(path)
		switch {
		case err != nil:
			return fmt.Errorf("-in: %w", err)
		case results == nil:
			results = part
		default:
			results.Merge(part)
		}
	}
	if *page == "" {
		fmt.Print(report.Text(results))
		return nil
	}
	return report.Page(results, *page)
}
