package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"rollproof/loadtest/cases"
)

// OutageLength is how long nothing listens in an outage.
const OutageLength = 200 * time.Millisecond

// endWithin bounds the wait for requests under way at the end.
const endWithin = 10 * time.Second

// errExit is the end of a server that leaves everything as it is.
var errExit = errors.New("exit")

// Serve is the server's whole life; terminate ends with SIGTERM.
func Serve(terminate context.Context, s Settings, log io.Writer) error {
	set, err := cases.Load(s.Cases)
	if err != nil {
		return err
	}
	m, err := newModel(s, set)
	if err != nil {
		return err
	}
	if s.Fault == SlowStart {
		select {
		case <-terminate.Done():
			return errExit
		case <-time.After(s.Start):
		}
	}
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(log, "listening on", l.Addr()); err != nil {
		return err
	}
	// Built once: each http.Server below serves the same model.
	server := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	served := serve(server, l)
	after := time.NewTimer(s.After)
	defer after.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-terminate.Done():
			return end(terminate, server, served, m, s)
		case <-after.C:
		}
		switch s.Fault {
		case Crash:
			return errors.New("crashed, as it was told to")
		case Outage:
			addr := l.Addr().String()
			if err := server.Close(); err != nil { // its connections too
				return err
			}
			<-served //nolint:errcheck // that it was closed is no news
			time.Sleep(OutageLength)
			if l, err = net.Listen("tcp", addr); err != nil {
				return err
			}
			server = &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
			served = serve(server, l)
		}
	}
}

// serve serves in the background; the channel has the end.
func serve(server *http.Server, l net.Listener) <-chan error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	return served
}

// end is what the server does from SIGTERM on, with which ctx has ended.
func end(ctx context.Context, server *http.Server, served <-chan error, m *model, s Settings) error {
	switch s.Fault {
	case Exit:
		return errExit
	case IgnoreTerm:
		return <-served // the kubelet ends it
	case Shutdown:
		return shutdown(ctx, server)
	case KeepAlivesOff:
		server.SetKeepAlivesEnabled(false)
	}
	m.ending.Store(true)
	time.Sleep(s.Drain)
	return shutdown(ctx, server)
}

func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	return server.Shutdown(ctx)
}
