// Package processtest makes a test binary play another program, from a script.
package processtest

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

	"github.com/kube-dns/kube-dns/internal/process"
)

// variable makes the test binary play a program: a list of steps.
const variable = "TEST_PROCESS_SCRIPT"

// Play plays the script of a process that [Command] describes, and returns its exit code. played is
// false if there is no script. TestMain calls Play first.
func Play() (code int, played bool) {
	script := os.Getenv(variable)
	if script == "" {
		return 0, false
	}
	return play(script), true
}

// play plays a script: words with an argument after "=".
func play(script string) (code int) {
	for step := range strings.FieldsSeq(script) {
		verb, arg, _ := strings.Cut(step, "=")
		switch verb {
		case "args":
			fmt.Println(strings.Join(os.Args[1:], " "))
		case "say":
			fmt.Fprintln(os.Stderr, arg)
		case "long":
			fmt.Fprintln(os.Stderr, strings.Repeat("x", process.MaxLine+100)+"end")
		case "ignore-term":
			signal.Ignore(syscall.SIGTERM)
		case "listen": // with a child that holds the port
			ln, err := net.Listen("tcp", arg)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 2
			}
			file, _ := ln.(*net.TCPListener).File()
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), variable+"=ignore-term sleep=60s")
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
			return code
		default:
			panic("unknown step " + step)
		}
	}
	return 0
}

// Command returns a program and its first arguments that play script. It needs no
// change of the environment, so that tests can run in parallel.
func Command(t *testing.T, script string) (path string, args []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "/usr/bin/env", []string{variable + "=" + script, self}
}
