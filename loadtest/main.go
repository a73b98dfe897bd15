// Command loadtest proves, request by request, that a service loses nothing:
// under a steady load, or while an upgrade rolls through. See its README.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"rollproof/loadtest/command"
)

// hardGrace is how long a second Ctrl-C leaves for the upgrade's command to be
// killed before the program ends.
const hardGrace = 500 * time.Millisecond

// gcPercent lets the heap grow to four times what is alive before garbage is
// collected, unless GOGC says otherwise: little is alive, and a sender that collects
// seldom is late seldom.
const gcPercent = 300

// exitInterrupted is the shell's code for a program that SIGINT ended.
const exitInterrupted = 130

func main() { os.Exit(run()) }

// run ends in order at the first Ctrl-C and at once at the second.
func run() int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	hard, stopHard := context.WithCancel(context.Background())
	defer stopHard()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		stopHard()
		time.Sleep(hardGrace)
		os.Exit(exitInterrupted)
	}()
	return command.Run(ctx, hard, os.Args[1:], os.Stdout, os.Stderr)
}
