//go:build profile

package main

import (
	"errors"
	"log"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// A server that is built with the tag profile, which `make pgo` does, writes a CPU
// profile to the file in $CPU_PROFILE: from one SIGUSR2 to the next. The servers that
// are shipped do not have it.
func init() {
	path := os.Getenv("CPU_PROFILE")
	if path == "" {
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	go func() {
		if err := profile(path, signals); err != nil {
			log.Fatalf("CPU_PROFILE=%s: %v", path, err)
		}
	}()
}

// profile writes the profile beside its place and then puts it there: a file that is
// there is whole.
func profile(path string, signals <-chan os.Signal) error {
	<-signals
	file, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	<-signals
	pprof.StopCPUProfile()
	return errors.Join(file.Close(), os.Rename(file.Name(), path))
}
