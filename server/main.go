// Command server serves trained models by the Open Inference Protocol and drains
// without losing a request. This file and serve.go only wire the packages beside them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"rollproof/server/cli"
	"rollproof/server/settings"
)

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version = "devel"

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	os.Exit(run(context.Background(), signals, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it ends when a signal or the end of ctx has been answered by a
// drain, and returns the exit code. The log goes to stderr.
func run(ctx context.Context, signals <-chan os.Signal, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "inspect":
			return once(ctx, signals, func(ctx context.Context) int { return cli.Inspect(ctx, args[1:], stdout, stderr) })
		case "predict":
			return once(ctx, signals, func(ctx context.Context) int { return cli.Predict(ctx, args[1:], stdin, stdout, stderr) })
		}
	}
	s, err := settings.Parse(args, environ, stdout)
	switch {
	case errors.Is(err, settings.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "server:", err) // the exit code says it too
		return 2
	case s.Version:
		if _, err := fmt.Fprintln(stdout, version); err != nil {
			return 1
		}
		return 0
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: s.LogLevel})).With("pod", s.Pod)
	if err := serve(ctx, signals, s, environ, stdout, log); err != nil {
		log.Error("failed", "error", err.Error())
		return 1
	}
	return 0
}

// once runs a command that a signal ends.
func once(ctx context.Context, signals <-chan os.Signal, command func(context.Context) int) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return command(ctx)
}
