// Command server serves trained models by the Open Inference Protocol and drains
// without losing a request. This file only wires the packages beside it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rollproof/server/api"
	"rollproof/server/lifecycle"
	"rollproof/server/metrics"
	"rollproof/server/repository"
	"rollproof/server/settings"
)

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version = "devel"

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	os.Exit(run(context.Background(), signals, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program: it ends when a signal or the end of ctx has been answered by a
// drain, and returns the exit code. The log goes to stderr.
func run(ctx context.Context, signals <-chan os.Signal, args, environ []string, stdout, stderr io.Writer) int {
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
	if err := serve(ctx, signals, s, log); err != nil {
		log.Error("failed", "error", err.Error())
		return 1
	}
	return 0
}

// serve loads, listens and serves until the drain is over.
func serve(ctx context.Context, signals <-chan os.Signal, s *settings.Settings, log *slog.Logger) error {
	log.Info("start", "version", version, "models", s.Models, "drain", s.Drain,
		"drain_delay", s.DrainDelay.String(), "shutdown_timeout", s.ShutdownTimeout.String())
	models, err := repository.Load(s.Models)
	if err != nil {
		return err
	}
	drainer := lifecycle.New(s.Drain, s.DrainDelay, s.ShutdownTimeout, log)
	counters := metrics.New(version, drainer.InFlight,
		func() string { return drainer.State().String() }, lifecycle.StateNames())
	handler := api.New(api.Config{
		Models: models, Ready: drainer.Ready, Pod: s.Pod, Version: version,
		MaxBodyBytes: s.MaxBodyBytes, MaxRows: s.MaxRows, Metrics: counters, Log: log,
	})
	var listen net.ListenConfig
	metricsListener, err := listen.Listen(ctx, "tcp", s.MetricsListen)
	if err != nil {
		return fmt.Errorf("--metrics-listen: %w", err)
	}
	listener, err := listen.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("--listen: %w", err), metricsListener.Close())
	}
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", counters.Handler())
	metricsServer := &http.Server{
		Handler: mux, ErrorLog: errorLog,
		ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout, IdleTimeout: idleTimeout,
	}
	go func() {
		if err := metricsServer.Serve(metricsListener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics stopped", "error", err.Error())
		}
	}()
	for _, m := range models.All() {
		log.Info("model", "name", m.Name, "model_version", m.Version, "format", m.Format)
	}
	log.Info("ready", "listen", listener.Addr().String(), "metrics_listen", metricsListener.Addr().String())
	err = drainer.Run(ctx, &http.Server{
		Handler: drainer.Wrap(handler), ErrorLog: errorLog,
		ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout, IdleTimeout: idleTimeout,
	}, listener, signals)
	// Metrics are served to the end, so that the drain itself can be watched.
	return errors.Join(err, metricsServer.Close())
}

// idleTimeout is how long an unused connection is kept. It is longer than the idle
// time-outs of common clients and proxies (90 s in Go's), which must be the ones to
// close: a server that closes first races with the client's next request.
const idleTimeout = 3 * time.Minute
