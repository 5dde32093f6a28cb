package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"demo": func() { os.Exit(cli.Main(demo)) },
	})
}

// leakChecked runs the tests and then looks for leaked goroutines.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// demo is a command made only of this package. It runs until it is stopped.
func demo(ctx context.Context, args []string, stdout io.Writer) error {
	fs := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	cli.AddGNUFlags(fs)
	version := cli.AddVersionFlag(fs)
	lameduck := fs.Duration("lameduck", time.Hour, "how long to drain")
	fail := fs.String("fail", "", "end at once in this way")
	if err := cli.ParseGNU(fs, args, "Usage: demo [flags]", stdout); err != nil {
		return err
	}
	if version.Print(stdout) {
		return nil
	}
	log := cli.Logger()
	draining, stop, release := cli.NotifyStop(ctx, *lameduck, log)
	defer release()
	log.Debug("a detail")
	switch *fail {
	case "listen":
		return cli.Failed(errors.New("port is taken"))
	case "other":
		return errors.New("no such server")
	case "panic":
		panic("bad day")
	}
	fmt.Fprintln(stdout, "ready")
	<-draining
	fmt.Fprintln(stdout, "draining")
	<-stop.Done()
	return nil
}

func TestCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}
