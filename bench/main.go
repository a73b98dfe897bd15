// Command bench measures the prediction server beside what people use instead, and
// holds the ratios against goals. See its README; `make bench` runs it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"rollproof/bench/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
