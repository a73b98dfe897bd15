// Command wrong is a model server with one fault, chosen by its environment. The
// proof that the harness sees runs it on a cluster as a Deployment like anybody's:
// it shares nothing with the real server but the protocol and two headers. It
// answers from a goldens file and computes nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(os.Getenv, os.Stderr))
}

// run serves until the server's fault, or SIGTERM, ends it, and returns the exit code.
func run(getenv func(string) string, log io.Writer) int {
	terminate, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := ReadSettings(getenv)
	if err == nil {
		err = Serve(terminate, s, log)
	}
	if err != nil && !errors.Is(err, errExit) {
		_, _ = fmt.Fprintln(log, "wrong:", err) // nobody is left to tell
		return 1
	}
	return 0
}
