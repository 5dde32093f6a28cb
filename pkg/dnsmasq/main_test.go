package dnsmasq

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// fakeVariable makes the test binary play dnsmasq: a list of steps.
const fakeVariable = "FAKE_DNSMASQ"

func TestMain(m *testing.M) {
	if script := os.Getenv(fakeVariable); script != "" {
		fake(script)
		return
	}
	goleak.VerifyTestMain(m)
}

// fake plays a script: words with an argument behind "=".
func fake(script string) {
	for step := range strings.FieldsSeq(script) {
		verb, arg, _ := strings.Cut(step, "=")
		switch verb {
		case "args":
			fmt.Println(strings.Join(os.Args[1:], " "))
		case "say":
			fmt.Fprintln(os.Stderr, arg)
		case "long":
			fmt.Fprintln(os.Stderr, strings.Repeat("x", maxLine+100)+"end")
		case "ignore-term":
			signal.Ignore(syscall.SIGTERM)
		case "listen": // with a child that keeps the port
			ln, err := net.Listen("tcp", arg)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			file, _ := ln.(*net.TCPListener).File()
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), fakeVariable+"=ignore-term sleep=60s")
			child.ExtraFiles = []*os.File{file}
			child.Stdout, child.Stderr = os.Stdout, os.Stderr
			if err := child.Start(); err != nil {
				panic(err)
			}
		case "log": // appends a line to a file
			name, line, _ := strings.Cut(arg, ":")
			f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				panic(err)
			}
			fmt.Fprintln(f, line)
			f.Close()
		case "sleep":
			d, err := time.ParseDuration(arg)
			if err != nil {
				panic(err)
			}
			time.Sleep(d)
		case "kill":
			number, _ := strconv.Atoi(arg)
			_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
		case "exit":
			code, _ := strconv.Atoi(arg)
			os.Exit(code)
		default:
			panic("unknown step " + step)
		}
	}
}

// faked returns a program and its first arguments that play script. It needs no
// change of the environment, so that tests can run in parallel.
func faked(t *testing.T, script string) (path string, args []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "/usr/bin/env", []string{fakeVariable + "=" + script, self}
}

// dnsmasqPath is where the real dnsmasq is.
func dnsmasqPath(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/dnsmasq")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnsmasq must be installed for the tests: %v", err)
		}
		t.Skipf("dnsmasq is not installed (Debian: dnsmasq-base): %v", err)
	}
	return path
}
