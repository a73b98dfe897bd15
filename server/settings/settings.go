// Package settings reads the server's settings from flags and the environment and
// refuses those that cannot work. It starts nothing.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Settings is everything that can be set.
type Settings struct {
	// Models is the folder of models, Model a single model's file under Name: one of
	// Models and Model is set.
	Models, Model, Name string
	Poll                time.Duration
	KeepVersions        int

	Listen, GRPCListen, MetricsListen string
	TLSCert, TLSKey, TLSClientCA      string
	APIKeys                           string

	Drain                bool
	Direct               bool
	DrainDelay           time.Duration
	ShutdownTimeout      time.Duration
	GRPCMaxConnectionAge time.Duration

	MaxConnections, MaxConnectionRequests int
	MaxConnectionAge                      time.Duration

	MaxBodyBytes, MaxHeldBytes int64
	MaxRows                    int
	ReadHeaderTimeout          time.Duration
	ReadTimeout                time.Duration
	MaxConcurrency             int
	Queue                      int
	QueueWait                  time.Duration
	PredictTimeout             time.Duration

	// UnsafeDelay is the longest time for which a request may ask to be held; 0: none may.
	UnsafeDelay time.Duration

	LogLevel  slog.Level
	AccessLog float64
	Pod       string
	// Version is true if only the version is asked for.
	Version bool
}

// ErrHelp says that only the help was asked for; it has been written.
var ErrHelp = flag.ErrHelp

// prefix of the environment variables that must be known ones.
const prefix = "ROLLPROOF_"

// variable names the environment variable of a flag, "" if it has none.
func variable(flag string) string {
	switch flag {
	case "pod":
		return "POD_NAME"
	case "version":
		return ""
	}
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// onOff is a flag that is on or off.
type onOff bool

func (o *onOff) String() string {
	if *o {
		return "on"
	}
	return "off"
}

func (o *onOff) Set(text string) error {
	switch text {
	case "on":
		*o = true
	case "off":
		*o = false
	default:
		return errors.New("want on or off")
	}
	return nil
}

// flags returns a flag set that writes to s, with the defaults in place.
func (s *Settings) flags(pod string) *flag.FlagSet {
	f := flag.NewFlagSet("server", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&s.Models, "models", "", "`folder` of the models: NAME/VERSION/FILE, of any format that is read (default /models, without --model)")
	f.StringVar(&s.Model, "model", "", "`file` of the one model to serve instead, as version 1")
	f.StringVar(&s.Name, "name", "", "`name` of --model's model (default the file's name without its ending)")
	f.DurationVar(&s.Poll, "poll", 10*time.Second, "how often to look for new, changed and removed versions; 0s: never")
	f.IntVar(&s.KeepVersions, "keep-versions", 0, "how `many` versions of a model to serve, the highest; 0: all")
	f.StringVar(&s.Listen, "listen", "127.0.0.1:8080", "`address` for HTTP")
	f.StringVar(&s.GRPCListen, "grpc-listen", "", "`address` for gRPC; empty: none")
	f.StringVar(&s.MetricsListen, "metrics-listen", "127.0.0.1:9090", "`address` for /metrics and the probes")
	f.StringVar(&s.TLSCert, "tls-cert", "", "PEM `file` of the certificate for HTTP and gRPC, read again when it changes")
	f.StringVar(&s.TLSKey, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&s.TLSClientCA, "tls-client-ca", "", "PEM `file` of the authorities of client certificates, which are then required")
	f.StringVar(&s.APIKeys, "api-keys", "", "`file`, or folder of files, with an API key a line, of which callers must show one; read again when it changes")
	s.Drain = true
	f.Var((*onOff)(&s.Drain), "drain", "`on or off`; off is unsafe: connections end as soon as SIGTERM comes")
	s.Direct = true
	f.Var((*onOff)(&s.Direct), "direct", "`on or off`; off leaves plain HTTP requests to net/http too, which takes longer for each")
	f.DurationVar(&s.DrainDelay, "drain-delay", 5*time.Second, "how long to go on serving, not ready and with Connection: close, after SIGTERM")
	f.DurationVar(&s.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long requests in flight may take after the drain delay")
	f.DurationVar(&s.GRPCMaxConnectionAge, "grpc-max-connection-age", 5*time.Minute, "after what time, give or take a tenth, a gRPC connection is told to end, so that new pods get traffic; 0s: never")
	f.IntVar(&s.MaxConnectionRequests, "max-connection-requests", 1000, "after how `many` requests, give or take a tenth, an HTTP connection ends with an answer, so that new pods get traffic; 0: never")
	f.DurationVar(&s.MaxConnectionAge, "max-connection-age", 5*time.Minute, "after what time, give or take a tenth, it ends with its next answer; 0s: never")
	f.IntVar(&s.MaxConnections, "max-connections", 1024, "how `many` HTTP connections may be open; a request on one more is answered 503, and it ends; 0: any number")
	f.Int64Var(&s.MaxBodyBytes, "max-body-bytes", 4<<20, "largest request body, in `bytes`")
	f.Int64Var(&s.MaxHeldBytes, "max-held-bytes", 32<<20, "most `bytes` of request bodies held at once; more are answered 503")
	f.IntVar(&s.MaxRows, "max-rows", 4096, "most `rows` in one request")
	f.DurationVar(&s.ReadHeaderTimeout, "read-header-timeout", 5*time.Second, "how long a request's header may take to arrive")
	f.DurationVar(&s.ReadTimeout, "read-timeout", 30*time.Second, "how long a request may take to arrive, body included")
	f.IntVar(&s.MaxConcurrency, "max-concurrency", 0, "how `many` requests to compute at once; 0: four a processor")
	f.IntVar(&s.Queue, "queue", 512, "how `many` requests may wait for that; more are answered 503")
	f.DurationVar(&s.QueueWait, "queue-wait", 5*time.Second, "how long one may wait before it is answered 503")
	f.DurationVar(&s.PredictTimeout, "predict-timeout", 10*time.Second, "how long one prediction may take")
	f.DurationVar(&s.UnsafeDelay, "unsafe-delay", 0, "longest time for which an HTTP request may ask to be held, by its header X-Rollproof-Delay; unsafe: for tests of slow requests only; 0s: the header is passed over")
	f.TextVar(&s.LogLevel, "log-level", slog.LevelInfo, "debug, info, warn or error; debug logs every request")
	f.Float64Var(&s.AccessLog, "access-log", 0, "`fraction`, 0 to 1, of the answered requests to log; what the server failed is always logged")
	f.StringVar(&s.Pod, "pod", pod, "`name` that answers carry in X-Rollproof-Pod")
	f.BoolVar(&s.Version, "version", false, "print the version and end")
	return f
}

// Parse reads the settings: defaults, then the environment (entries NAME=value), then
// flags. Help, if asked for, goes to out, and the error is ErrHelp. An error names the
// flag or the variable, its value and what would be right.
func Parse(args, environ []string, out io.Writer) (*Settings, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s := &Settings{}
	f := s.flags(host)
	if err := fromEnvironment(f, environ); err != nil {
		return nil, err
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.Join(ErrHelp, help(out))
		}
		return nil, fmt.Errorf("%w (--help lists the flags)", err)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q (--help lists the flags)", f.Arg(0))
	}
	if s.Version {
		return s, nil
	}
	return s, s.check()
}

// fromEnvironment sets the flags whose variables are there, empty ones excepted, and
// refuses variables of our prefix that are not settings: a misspelt one would
// otherwise silently leave a default in place.
func fromEnvironment(f *flag.FlagSet, environ []string) error {
	flags := map[string]string{}
	f.VisitAll(func(f *flag.Flag) {
		if name := variable(f.Name); name != "" {
			flags[name] = f.Name
		}
	})
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		of, known := flags[name]
		switch {
		case !known && strings.HasPrefix(name, prefix):
			return fmt.Errorf("environment variable %s is not a setting (--help lists them)", name)
		case !known || value == "":
			continue
		}
		if err := f.Set(of, value); err != nil {
			return fmt.Errorf("environment variable %s=%q: %w", name, value, err)
		}
	}
	return nil
}
