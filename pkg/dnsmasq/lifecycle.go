package dnsmasq

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cgroup"
	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/internal/process"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
)

const (
	// maxDeaths within deathTime are too many: then the platform's back-off applies.
	maxDeaths = 5
	deathTime = time.Minute
	// dnsmasq is restarted at once, unless it lived for less than shortLife. Then there is a pause
	// of deathPause times the number of earlier deaths.
	shortLife  = time.Second
	deathPause = 100 * time.Millisecond
	// pollPeriod is the time between queries after the first reply, firstPause before it.
	pollPeriod = 5 * time.Second
	// answerTime is how long a change waits for dnsmasq's first reply. A signal before dnsmasq is
	// ready for it would kill dnsmasq.
	answerTime = 30 * time.Second
)

// Reasons of a start, as labels.
const (
	reasonFirst    = "first"
	reasonDied     = "died"
	reasonChange   = "change"   // it could not be applied at run time
	reasonFallback = "fallback" // the servers file does not work
)

// exitCodes is dnsmasq's list of exit codes.
var exitCodes = map[int]string{
	1: "bad configuration",
	2: "network, often a port that is taken",
	3: "file system",
	4: "memory",
	5: "other",
}

// exitText returns the reason for dnsmasq's exit, in words.
func exitText(exit process.Exit) string {
	if meaning := exitCodes[exit.Code]; meaning != "" {
		return fmt.Sprintf("%s (%s)", exit, meaning)
	}
	return exit.String()
}

// A child is a running dnsmasq.
type child struct {
	*process.Process
	args     []string
	started  time.Time
	ctx      context.Context    // its life
	cancel   context.CancelFunc // stops it
	ready    bool               // it has replied: signals are safe
	unasked  bool               // it had time to start and has not replied: signals are safe
	stopping bool               // we stop it
}

// A lifecycle starts dnsmasq, watches it, and decides what follows its exit. Its methods belong to
// one goroutine.
type lifecycle struct {
	exec    string       // path of dnsmasq
	cmd     cmdline.Line // its arguments, without those of the nanny
	cmdErr  error        // the part of cmd that dnsmasq would refuse
	addr    string       // where dnsmasq can be queried
	log     *slog.Logger
	metrics *Metrics
	status  *status
	group   *errgroup.Group // for goroutines that serve the nanny
	reaper  process.Reaper
	added   []string // dnsmasq's options with the servers file

	child   *child            // nil: to be started at startAt
	exit    chan process.Exit // the exit of child; sent once
	answer  chan string       // the first reply of child, with its version; nil without a child
	startAt time.Time
	reason  string // of the next start, for the metric
	deaths  []time.Time
}

// addOptions decides dnsmasq's options with the servers file.
func (l *lifecycle) addOptions(ctx context.Context) {
	help, err := readHelp(ctx, l.exec)
	if err != nil {
		l.log.Warn("cannot read dnsmasq's list of options, adding only old ones", "err", err)
	}
	memory, file, _ := cgroup.MemoryLimit(cgroup.Root)
	if l.added = cmdline.Added(l.cmd, help, memory); len(l.added) > 0 {
		l.log.Info("adding options that dnsmasq's arguments do not set", "options", l.added, "memoryLimit", memory, "from",
			file)
	}
}

func (l *lifecycle) launch(ctx context.Context, args []string, now time.Time) error {
	lines := newLogLines(l.log, l.metrics)
	// The end of ctx does not stop dnsmasq: stop does, in its own way.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p, err := l.reaper.Start(life, process.Options{
		Path: l.exec, Args: args, OnLine: func(line string) { lines.on(life, line) },
		Env: []string{"LANGUAGE=en"}, // its messages are read, see classify
	})
	if err != nil {
		cancel()
		return startError(l.exec, err)
	}
	l.child = &child{Process: p, args: args, started: now, ctx: life, cancel: cancel}
	exit, answer := make(chan process.Exit, 1), make(chan string, 1)
	l.exit, l.answer = exit, answer
	l.group.Go(func() error {
		exit <- p.Wait()
		cancel()
		return nil
	})
	l.group.Go(func() error {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(life, stop)()
		l.watch(watching, answer)
		return nil
	})
	l.metrics.starts.WithLabelValues(l.reason).Inc()
	l.log.Info("dnsmasq started", "pid", p.Pid(), "reason", l.reason, "path", l.exec, "args", args)
	l.reason = reasonDied
	return nil
}

// restart stops dnsmasq; after onExit the next one is started.
func (l *lifecycle) restart() {
	if l.reason != reasonFallback {
		l.reason = reasonChange
	}
	l.log.Info("restarting dnsmasq", "reason", l.reason)
	l.child.stopping = true
	l.child.cancel()
}

// signal sends sig to dnsmasq.
func (l *lifecycle) signal(sig syscall.Signal) {
	if err := l.child.Signal(sig); err != nil {
		l.log.Error("cannot signal dnsmasq", "signal", sig.String(), "err", err)
	}
}

// untilStarted returns how long dnsmasq can still be starting: a signal before its first reply
// would kill it. After answerTime it has started, even without a reply.
func (l *lifecycle) untilStarted(now time.Time) time.Duration {
	if l.child.ready || l.child.unasked {
		return 0
	}
	if left := answerTime - now.Sub(l.child.started); left > 0 {
		return left
	}
	l.child.unasked = true
	l.log.Warn("dnsmasq does not answer the nanny, signaling it without a check: does it listen on this address "+
		"(--interface, --except-interface, --listen-address)?", "address", l.addr, "waited", answerTime)
	return 0
}

// onExit decides what follows the exit of dnsmasq. An error stops the nanny.
func (l *lifecycle) onExit(ctx context.Context, exit process.Exit) error {
	c := l.child
	l.child, l.answer = nil, nil
	if exit.Left {
		l.log.Warn("processes that dnsmasq left behind do not end", "group", c.Pid())
	}
	if ctx.Err() != nil {
		l.logStopped(exit)
		return nil
	}
	setBool(l.metrics.ready, false)
	now := time.Now()
	l.status.wait("waiting for dnsmasq's first answer on "+l.addr, now)
	l.startAt = now
	if c.stopping {
		return nil
	}
	l.log.Error("dnsmasq ended", "pid", c.Pid(), "status", exitText(exit), "uptime", exit.Uptime,
		"output", append([]string{}, exit.Tail...)) // not null without output
	if code := exit.Code; !c.ready && (code == 1 || code == 3 || code == 5) {
		return l.refusal(ctx, exit)
	}
	return l.onDeath(exit, now)
}

// refusal explains why dnsmasq does not start. dnsmasq does not name the option.
func (l *lifecycle) refusal(ctx context.Context, exit process.Exit) error {
	err := fmt.Errorf("dnsmasq does not start: %s: %s", exitText(exit), strings.Join(exit.Tail, "\n"))
	if l.cmdErr != nil {
		return fmt.Errorf("%w\n%w", err, l.cmdErr)
	}
	if exit.Code == 1 {
		if refused := refusedOptions(ctx, &l.reaper, l.exec, l.cmd.Args); len(refused) > 0 {
			return fmt.Errorf("%w\ndnsmasq refuses %s: correct it, see dnsmasq --help", err, strings.Join(refused, " and "))
		}
	}
	return err
}

// onDeath decides when dnsmasq is started again.
func (l *lifecycle) onDeath(exit process.Exit, now time.Time) error {
	l.deaths = append(l.deaths, now)
	for now.Sub(l.deaths[0]) >= deathTime {
		l.deaths = l.deaths[1:]
	}
	if len(l.deaths) >= maxDeaths {
		return fmt.Errorf("dnsmasq ended %d times within %v, the last time with %s: %s",
			len(l.deaths), deathTime, exitText(exit), strings.Join(exit.Tail, "\n"))
	}
	if exit.Uptime < shortLife {
		l.startAt = now.Add(time.Duration(len(l.deaths)-1) * deathPause)
	}
	return nil
}

// stop lets dnsmasq finish its pending queries, stops it and waits for it.
func (l *lifecycle) stop(ctx context.Context) {
	if l.child == nil {
		return
	}
	if l.child.ready {
		refuseLate(context.WithoutCancel(ctx), l.cmd, finishTime)
	}
	l.child.cancel()
	l.logStopped(<-l.exit)
}

func (l *lifecycle) logStopped(exit process.Exit) {
	l.log.Info("dnsmasq stopped", "status", exitText(exit))
}

// watch queries dnsmasq about itself until ctx is done: often until the first reply of any kind,
// then from time to time.
func (l *lifecycle) watch(ctx context.Context, answer chan<- string) {
	version, err := chaos.QueryVersion(ctx, l.addr)
	for !chaos.IsReply(err) {
		if !pause.For(ctx, firstPause) {
			return
		}
		version, err = chaos.QueryVersion(ctx, l.addr)
	}
	answer <- version
	for pause.For(ctx, pollPeriod) {
		switch _, err := chaos.QueryVersion(ctx, l.addr); {
		case ctx.Err() != nil:
			return
		case chaos.IsReply(err):
			l.status.answered(time.Now())
		default:
			l.status.unanswered()
		}
		setBool(l.metrics.ready, l.status.reason(time.Now()) == "")
	}
}

// onAnswer handles dnsmasq's first reply.
func (l *lifecycle) onAnswer(version string) {
	l.child.ready = true
	l.status.answered(time.Now())
	setBool(l.metrics.ready, true)
	if version != "" {
		setOne(l.metrics.info, version)
	}
	l.log.Info("dnsmasq answers", "version", version, "address", l.addr)
}
