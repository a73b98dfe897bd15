// Package settings reads the server's settings from flags and the environment and
// refuses those that cannot work. It starts nothing.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// Settings is everything that can be set.
type Settings struct {
	Models            string
	Listen            string
	MetricsListen     string
	Drain             bool
	DrainDelay        time.Duration
	ShutdownTimeout   time.Duration
	MaxBodyBytes      int64
	MaxRows           int
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration
	LogLevel          slog.Level
	Pod               string
	// Version is true if only the version is asked for.
	Version bool
}

// ErrHelp says that only the help was asked for; it has been written.
var ErrHelp = flag.ErrHelp

// prefix of the environment variables that must be known ones.
const prefix = "ROLLPROOF_"

// environment names the variable of each flag.
var environment = []struct{ flag, variable string }{
	{"models", "ROLLPROOF_MODELS"},
	{"listen", "ROLLPROOF_LISTEN"},
	{"metrics-listen", "ROLLPROOF_METRICS_LISTEN"},
	{"drain", "ROLLPROOF_DRAIN"},
	{"drain-delay", "ROLLPROOF_DRAIN_DELAY"},
	{"shutdown-timeout", "ROLLPROOF_SHUTDOWN_TIMEOUT"},
	{"max-body-bytes", "ROLLPROOF_MAX_BODY_BYTES"},
	{"max-rows", "ROLLPROOF_MAX_ROWS"},
	{"read-header-timeout", "ROLLPROOF_READ_HEADER_TIMEOUT"},
	{"read-timeout", "ROLLPROOF_READ_TIMEOUT"},
	{"log-level", "ROLLPROOF_LOG_LEVEL"},
	{"pod", "POD_NAME"},
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
	f.StringVar(&s.Models, "models", "/models", "`folder` of the models: NAME/VERSION/model.onnx")
	f.StringVar(&s.Listen, "listen", "127.0.0.1:8080", "`address` for the protocol and the probes")
	f.StringVar(&s.MetricsListen, "metrics-listen", "127.0.0.1:9090", "`address` for /metrics")
	s.Drain = true
	f.Var((*onOff)(&s.Drain), "drain", "`on or off`; off is unsafe: connections end as soon as SIGTERM comes")
	f.DurationVar(&s.DrainDelay, "drain-delay", 5*time.Second, "how long to go on serving, not ready and with Connection: close, after SIGTERM")
	f.DurationVar(&s.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long requests in flight may take after the drain delay")
	f.Int64Var(&s.MaxBodyBytes, "max-body-bytes", 4<<20, "largest request body, in `bytes`")
	f.IntVar(&s.MaxRows, "max-rows", 4096, "most `rows` in one request")
	f.DurationVar(&s.ReadHeaderTimeout, "read-header-timeout", 5*time.Second, "how long a request's header may take to arrive")
	f.DurationVar(&s.ReadTimeout, "read-timeout", 30*time.Second, "how long a request may take to arrive, body included")
	f.TextVar(&s.LogLevel, "log-level", slog.LevelInfo, "debug, info, warn or error; debug logs every request")
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
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		i := slices.IndexFunc(environment, func(e struct{ flag, variable string }) bool { return e.variable == name })
		if i < 0 {
			if strings.HasPrefix(name, prefix) {
				return fmt.Errorf("environment variable %s is not a setting (--help lists them)", name)
			}
			continue
		}
		if value == "" {
			continue
		}
		if err := f.Set(environment[i].flag, value); err != nil {
			return fmt.Errorf("environment variable %s=%q: %w", name, value, err)
		}
	}
	return nil
}

// check refuses values that cannot work.
func (s *Settings) check() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"shutdown-timeout", s.ShutdownTimeout},
		{"read-header-timeout", s.ReadHeaderTimeout},
		{"read-timeout", s.ReadTimeout},
	} {
		if d.value <= 0 {
			return fmt.Errorf("--%s %s: want more than 0s", d.flag, d.value)
		}
	}
	switch {
	case s.Models == "":
		return errors.New("--models is empty: want a folder")
	case s.DrainDelay < 0:
		return fmt.Errorf("--drain-delay %s: want 0s or more", s.DrainDelay)
	case s.Drain && s.DrainDelay == 0:
		return errors.New("--drain-delay 0s with --drain on: nobody could see that the server drains; want more than 0s, or --drain off")
	case s.ReadHeaderTimeout > s.ReadTimeout:
		return fmt.Errorf("--read-header-timeout %s is longer than --read-timeout %s: want at most that",
			s.ReadHeaderTimeout, s.ReadTimeout)
	case s.MaxBodyBytes < 1:
		return fmt.Errorf("--max-body-bytes %d: want 1 or more", s.MaxBodyBytes)
	case s.MaxRows < 1:
		return fmt.Errorf("--max-rows %d: want 1 or more", s.MaxRows)
	case s.Pod == "" || strings.ContainsFunc(s.Pod, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("--pod %q: want a name of printable ASCII without spaces", s.Pod)
	}
	for _, a := range []struct{ flag, value string }{{"listen", s.Listen}, {"metrics-listen", s.MetricsListen}} {
		if _, _, err := net.SplitHostPort(a.value); err != nil {
			return fmt.Errorf("--%s %q: want HOST:PORT or :PORT: %w", a.flag, a.value, err)
		}
	}
	if s.Listen == s.MetricsListen && !strings.HasSuffix(s.Listen, ":0") {
		return fmt.Errorf("--listen and --metrics-listen are both %q: want two addresses", s.Listen)
	}
	return nil
}
