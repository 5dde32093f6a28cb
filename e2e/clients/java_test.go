package clients

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Arguments of testdata/Lookup.java.
const (
	javaKeeps = "3600" // InetAddress caches results for that number of seconds
	javaDrops = "0"
	javaJNDI  = "jndi" // the JDK's own DNS client
)

// startJava runs a JVM that looks names up for the duration of the test. Its C library reads
// resolv.conf on startup. The arguments in front start the JVM.
func startJava(t *testing.T, front []string, arg string, options ...string) lookup {
	t.Helper()
	// A JVM with few threads starts faster.
	args := slices.Concat(front, []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}, options,
		[]string{"-cp", filepath.Join(os.Getenv(insideVariable), "bin"), "Lookup", arg})
	cmd := exec.Command(args[0], args[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the end of the input stops the JVM
		if err := cmd.Wait(); err != nil {
			t.Errorf("java: %v: %s", err, stderr.String())
		}
	})
	lines := bufio.NewScanner(out)
	return func(_ context.Context, name string) ([]string, error) {
		if _, err := io.WriteString(in, name+"\n"); err != nil {
			return nil, fmt.Errorf("java: %w", err)
		}
		if !lines.Scan() {
			return nil, fmt.Errorf("java ended: %w", errors.Join(io.ErrUnexpectedEOF, lines.Err()))
		}
		return javaAnswer(name, lines.Text())
	}
}

// fullNames looks up the full name of each of names.
func fullNames(look lookup) lookup {
	return func(ctx context.Context, asked string) ([]string, error) {
		i := slices.IndexFunc(names, func(n name) bool { return n.asked == asked })
		return look(ctx, names[i].full)
	}
}

// javaAnswer reads a line of testdata/Lookup.java. InetAddress drops the reason for a name that is
// not in its cache.
func javaAnswer(name, line string) ([]string, error) {
	trouble, failed := strings.CutPrefix(line, "error: ")
	switch {
	case !failed:
		var addrs []string
		for text := range strings.FieldsSeq(line) {
			addr, err := netip.ParseAddr(text) // Java prints all groups of an IPv6 address
			if err != nil {
				return nil, fmt.Errorf("java: %w", err)
			}
			addrs = append(addrs, addr.String())
		}
		return addrs, nil
	case strings.Contains(trouble, "Name or service not known"), strings.Contains(trouble, "NameNotFoundException"),
		trouble == "java.net.UnknownHostException: "+name:
		return nil, errNotFound
	}
	return nil, errors.New(trouble)
}
