package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"rollproof/server/access"
	"rollproof/server/accesslog"
	"rollproof/server/api"
	"rollproof/server/gate"
	"rollproof/server/grpcapi"
	"rollproof/server/inference"
	"rollproof/server/lifecycle"
	"rollproof/server/metrics"
	"rollproof/server/repository"
	"rollproof/server/settings"
	"rollproof/server/trace"
)

// idleTimeout is how long an unused connection is kept. It is longer than the idle
// time-outs of common clients and proxies (90 s in Go's), which must be the ones to
// close: a server that closes first races with the client's next request.
const idleTimeout = 3 * time.Minute

// tracesTimeout bounds how long the last traces may take to be sent.
const tracesTimeout = 2 * time.Second

// memoryShare of the container's memory is what the collector works against: the rest
// is for what it does not see.
const memoryShare = 0.9

// assembly is the server's parts while they are wired.
type assembly struct {
	*settings.Settings
	log     *slog.Logger
	access  *accesslog.Log
	metrics *metrics.Metrics
	drainer *lifecycle.Drainer
	service *inference.Service
	keys    *access.Keys
	tracing *trace.Tracing
	handler *api.Handler
	grpc    *grpcapi.Server
}

// serve loads, listens and serves until the drain is over.
func serve(ctx context.Context, signals <-chan os.Signal, s *settings.Settings, environ []string, stdout io.Writer, log *slog.Logger) error {
	log.Info("start", "version", version, "models", s.Models, "model", s.Model, "drain", s.Drain,
		"drain_delay", s.DrainDelay.String(), "shutdown_timeout", s.ShutdownTimeout.String())
	if s.UnsafeDelay > 0 {
		log.Warn("unsafe: requests may ask to be held", "header", delayHeader, "at_most", s.UnsafeDelay.String())
	}
	// Without a limit of the container there is none, which is no trouble.
	if limit, err := memlimit.Set(memlimit.WithRatio(memoryShare)); err == nil && limit > 0 && limit < math.MaxInt64 {
		log.Info("memory", "limit", limit)
	}
	a := &assembly{Settings: s, log: log, access: accesslog.New(log, s.AccessLog)}
	a.drainer = lifecycle.New(lifecycle.Config{
		Drain: s.Drain, Delay: s.DrainDelay, Timeout: s.ShutdownTimeout, Direct: s.Direct, Log: log,
		Limits: lifecycle.Limits{
			Requests: s.MaxConnectionRequests, Age: s.MaxConnectionAge, Connections: s.MaxConnections,
			Full: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.handler.TurnAway(w, r) }),
		},
	})
	a.metrics = metrics.New(version, a.drainer.InFlight,
		func() string { return a.drainer.State().String() }, lifecycle.StateNames())
	if err := a.load(ctx); err != nil {
		return err
	}
	defer func() { _ = a.service.Models.Close(context.WithoutCancel(ctx)) }() // it only ends the watch
	var err error
	if a.tracing, err = trace.Start(ctx, environ, trace.Service{Version: version, Pod: s.Pod}, stdout, log); err != nil {
		return err
	}
	if s.APIKeys != "" {
		if a.keys, err = access.ReadKeys(s.APIKeys, log); err != nil {
			return fmt.Errorf("--api-keys: %w", err)
		}
	}
	a.handler = api.New(api.Config{
		Service: a.service, Ready: a.drainer.Ready, Pod: s.Pod, Version: version,
		MaxBodyBytes: s.MaxBodyBytes, MaxRows: s.MaxRows, Metrics: a.metrics, Access: a.access, Log: log,
	})
	err = a.listen(ctx, signals, stdout)
	if a.tracing != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesTimeout)
		defer cancel()
		if failed := a.tracing.Stop(stop); failed != nil {
			log.Warn("traces", "error", failed.Error()) // no request was lost by it
		}
	}
	return err
}

// load opens the models and makes the service of them.
func (a *assembly) load(ctx context.Context) error {
	var models *repository.Repository
	var err error
	if a.Model != "" {
		models, err = repository.OpenFile(a.Model, a.Name)
	} else {
		models, err = repository.Open(ctx, repository.Options{
			Folder: a.Models, Poll: a.Poll, Keep: a.KeepVersions, OnLoad: a.metrics.Loads(), Log: a.log,
		})
	}
	if err != nil {
		return err
	}
	places := a.MaxConcurrency
	if places == 0 {
		places = 4 * runtime.GOMAXPROCS(0)
	}
	a.service = &inference.Service{
		Models: models, Gate: gate.New(places, a.Queue, a.QueueWait),
		Bodies: gate.NewBudget(a.MaxHeldBytes), Timeout: a.PredictTimeout,
	}
	a.metrics.Watch(metrics.Sources{
		Gate: a.service.Gate, Bodies: a.service.Bodies, Models: models, Drainer: a.drainer,
	})
	for _, m := range models.Status() {
		a.log.Info("model", "name", m.Name, "model_version", m.Version, "state", m.State)
	}
	return nil
}

// listen opens the ports, all or none, and serves on them.
func (a *assembly) listen(ctx context.Context, signals <-chan os.Signal, stdout io.Writer) error {
	var open []net.Listener
	done := false
	defer func() {
		if !done {
			for _, l := range open {
				_ = l.Close() // nobody was served on it
			}
		}
	}()
	var config net.ListenConfig
	on := func(flag, address string) (net.Listener, error) {
		l, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		open = append(open, l)
		return l, nil
	}
	admin, err := on("metrics-listen", a.MetricsListen)
	if err != nil {
		return err
	}
	listener, err := on("listen", a.Listen)
	if err != nil {
		return err
	}
	if a.GRPCListen != "" {
		beside, err := on("grpc-listen", a.GRPCListen)
		if err == nil {
			err = a.startGRPC(beside)
		}
		if err != nil {
			return err
		}
	}
	files := access.Files{Certificate: a.TLSCert, Key: a.TLSKey, ClientCA: a.TLSClientCA}
	secure, err := access.TLS(files, a.log, "http/1.1")
	if err != nil {
		return err
	}
	done = true
	adminServer := a.startAdmin(admin)
	if err := a.greet(stdout, listener.Addr().String(), secure != nil); err != nil {
		a.log.Warn("standard output", "error", err.Error())
	}
	a.log.Info("ready", "listen", listener.Addr().String(), "metrics_listen", admin.Addr().String())
	signals, ended := a.drainBeside(ctx, signals)
	err = a.drainer.Run(ctx, &http.Server{
		Handler: a.drainer.Wrap(a.wrapped()), ErrorLog: a.errorLog(), TLSConfig: secure,
		ReadHeaderTimeout: a.ReadHeaderTimeout, ReadTimeout: a.ReadTimeout, IdleTimeout: idleTimeout,
	}, listener, signals)
	// Metrics are served to the end, so that the drain itself can be watched.
	return errors.Join(err, ended(), adminServer.Close())
}

// drainBeside drains gRPC with HTTP: it passes the signals on, and the first one, or the
// end of ctx, begins both drains. ended waits until gRPC's is over; when HTTP has ended
// by itself, it begins it.
func (a *assembly) drainBeside(ctx context.Context, signals <-chan os.Signal) (passed <-chan os.Signal, ended func() error) {
	if a.grpc == nil {
		return signals, func() error { return nil }
	}
	relay := make(chan os.Signal, 2)
	begin := make(chan struct{})
	over := make(chan struct{})
	go func() {
		begun := false
		for {
			select {
			case s := <-signals:
				if !begun {
					close(begin)
					begun = true
				}
				relay <- s
			case <-over:
				return
			}
		}
	}()
	result := make(chan error, 1)
	go func() {
		select {
		case <-begin:
		case <-ctx.Done():
		case <-over:
		}
		result <- a.grpc.Drain(context.WithoutCancel(ctx))
	}()
	return relay, func() error {
		close(over)
		return <-result
	}
}

// wrapped is the handler behind keys and traces, where they are wanted.
func (a *assembly) wrapped() http.Handler {
	var h http.Handler = a.handler
	if a.UnsafeDelay > 0 {
		h = delayed(h, a.UnsafeDelay)
	}
	if a.keys != nil {
		h = a.keys.Wrap(h, isOpen)
	}
	if a.tracing != nil {
		h = a.tracing.Wrap(h, isProbe)
	}
	return h
}

// isProbe says whether a path is one that platforms ask without keys.
func isProbe(path string) bool { return strings.HasPrefix(path, "/v2/health/") }

// isOpen says whether a path needs no key: the page has nothing of the models in it, and
// asks its user for a key.
func isOpen(path string) bool { return path == "/" || isProbe(path) }

func (a *assembly) errorLog() *stdlog.Logger {
	return slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)
}

// startAdmin serves metrics and probes on a port of their own, where neither a crowd
// nor keys stand before them.
func (a *assembly) startAdmin(on net.Listener) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.Handle("GET /v2/health/", a.handler)
	server := &http.Server{
		Handler: mux, ErrorLog: a.errorLog(),
		ReadHeaderTimeout: a.ReadHeaderTimeout, ReadTimeout: a.ReadTimeout, IdleTimeout: idleTimeout,
	}
	go func() {
		if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("metrics stopped", "error", err.Error())
		}
	}()
	return server
}

// startGRPC serves gRPC; drainBeside ends it.
func (a *assembly) startGRPC(on net.Listener) error {
	files := access.Files{Certificate: a.TLSCert, Key: a.TLSKey, ClientCA: a.TLSClientCA}
	secure, err := access.TLS(files, a.log, "h2")
	if err != nil {
		return err
	}
	config := grpcapi.Config{
		Service: a.service, Ready: a.drainer.Ready, Pod: a.Pod, Version: version,
		MaxMessageBytes: int(a.MaxBodyBytes), MaxRows: a.MaxRows, MaxStreams: 256,
		MaxConnectionAge: a.GRPCMaxConnectionAge, MaxConnectionAgeGrace: a.PredictTimeout + a.QueueWait,
		HandshakeTimeout: a.ReadHeaderTimeout, DrainDelay: a.DrainDelay, ShutdownTimeout: a.ShutdownTimeout,
		TLS: secure, Observe: a.observe, Log: a.log,
	}
	if a.keys != nil {
		config.Authorize = func(authorization, apiKey string) error {
			return a.keys.Check(access.FromHeader(authorization, apiKey))
		}
	}
	if a.tracing != nil {
		config.Options = append(config.Options, grpc.StatsHandler(a.tracing.GRPC()))
	}
	if a.grpc, err = grpcapi.New(config); err != nil {
		return fmt.Errorf("gRPC: %w", err)
	}
	go func() {
		if err := a.grpc.Serve(on); err != nil {
			a.log.Error("gRPC stopped", "error", err.Error())
		}
	}()
	a.log.Info("gRPC", "listen", on.Addr().String())
	return nil
}

// observe counts and logs a call.
func (a *assembly) observe(ctx context.Context, c *grpcapi.Call) {
	method := c.Method[strings.LastIndexByte(c.Method, '/')+1:]
	a.metrics.Series("grpc/"+method, c.Model, c.Version).ObserveCode(c.Code.String(), c.Rows, c.Took)
	failed := c.Code == codes.Internal || c.Code == codes.Unknown || c.Code == codes.DataLoss
	a.access.Write(ctx, failed, func() accesslog.Request {
		r := accesslog.Request{
			Protocol: "grpc", Method: "POST", Path: c.Method, Model: c.Model, Version: c.Version, ID: c.ID,
			Code: c.Code.String(), Rows: c.Rows, Took: c.Took,
		}
		if c.Err != nil {
			r.Answer = c.Err.Error()
		}
		return r
	})
}
