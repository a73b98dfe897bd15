package settings

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	defaults := Settings{
		Models: "/models", Listen: "127.0.0.1:8080", MetricsListen: "127.0.0.1:9090", Drain: true,
		DrainDelay: 5 * time.Second, ShutdownTimeout: 10 * time.Second, MaxBodyBytes: 4194304, MaxRows: 4096,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, LogLevel: slog.LevelInfo, Pod: "pod-0",
	}
	tests := []struct {
		name    string
		args    []string
		environ []string
		change  func(*Settings)
	}{
		{"defaults", nil, []string{"PATH=/bin"}, func(*Settings) {}},
		{"environment", nil, []string{
			"ROLLPROOF_MODELS=/m", "ROLLPROOF_LISTEN=:8080", "ROLLPROOF_METRICS_LISTEN=:9090", "ROLLPROOF_DRAIN=off",
			"ROLLPROOF_DRAIN_DELAY=1s", "ROLLPROOF_SHUTDOWN_TIMEOUT=2s", "ROLLPROOF_MAX_BODY_BYTES=3", "ROLLPROOF_MAX_ROWS=4",
			"ROLLPROOF_READ_HEADER_TIMEOUT=5ms", "ROLLPROOF_READ_TIMEOUT=6s", "ROLLPROOF_LOG_LEVEL=debug",
		}, func(s *Settings) {
			*s = Settings{
				Models: "/m", Listen: ":8080", MetricsListen: ":9090", DrainDelay: time.Second, ShutdownTimeout: 2 * time.Second,
				MaxBodyBytes: 3, MaxRows: 4, ReadHeaderTimeout: 5 * time.Millisecond, ReadTimeout: 6 * time.Second,
				LogLevel: slog.LevelDebug, Pod: "pod-0",
			}
		}},
		{"flag wins", []string{"--drain-delay=3s", "--drain", "on"}, []string{"ROLLPROOF_DRAIN_DELAY=1s", "ROLLPROOF_DRAIN=off"},
			func(s *Settings) { s.DrainDelay = 3 * time.Second }},
		{"empty variable is none", nil, []string{"ROLLPROOF_DRAIN_DELAY="}, func(*Settings) {}},
		{"no delay without a drain", []string{"--drain=off", "--drain-delay=0s"}, nil,
			func(s *Settings) { s.Drain, s.DrainDelay = false, 0 }},
		{"ports that the system picks", []string{"--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0"}, nil,
			func(s *Settings) { s.Listen, s.MetricsListen = "127.0.0.1:0", "127.0.0.1:0" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := defaults
			test.change(&want)
			got, err := Parse(test.args, append(test.environ, "POD_NAME=pod-0"), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&want, got); d != "" {
				t.Errorf("settings (-want +got):\n%s", d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		args    []string
		environ string
		want    string
	}{
		{"unknown variable", nil, "ROLLPROOF_DRAIN_DELYA=5s", "environment variable ROLLPROOF_DRAIN_DELYA is not a setting"},
		{"bad variable", nil, "ROLLPROOF_MAX_ROWS=many", `environment variable ROLLPROOF_MAX_ROWS="many"`},
		{"unknown flag", []string{"--drian"}, "", "-drian"},
		{"argument", []string{"serve"}, "", `unexpected argument "serve"`},
		{"drain maybe", []string{"--drain=maybe"}, "", "want on or off"},
		{"negative delay", []string{"--drain-delay=-1s"}, "", "--drain-delay -1s: want 0s or more"},
		{"no delay", []string{"--drain-delay=0s"}, "", "--drain-delay 0s with --drain on"},
		{"no shutdown", []string{"--shutdown-timeout=0s"}, "", "--shutdown-timeout 0s: want more than 0s"},
		{"no read timeout", []string{"--read-timeout=0s"}, "", "--read-timeout 0s"},
		{"header longer than all", []string{"--read-header-timeout=31s"}, "", "--read-header-timeout 31s is longer than --read-timeout 30s"},
		{"no body", []string{"--max-body-bytes=0"}, "", "--max-body-bytes 0"},
		{"no rows", []string{"--max-rows=-1"}, "", "--max-rows -1"},
		{"no folder", []string{"--models="}, "", "--models is empty"},
		{"no port", []string{"--listen=localhost"}, "", `--listen "localhost": want HOST:PORT`},
		{"same address", []string{"--listen=:9090", "--metrics-listen=:9090"}, "", `--listen and --metrics-listen are both ":9090"`},
		{"level", []string{"--log-level=loud"}, "", "loud"},
		{"pod", nil, "POD_NAME=a b", `--pod "a b"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(test.args, []string{test.environ}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if _, err := Parse([]string{"--help"}, nil, &out); !errors.Is(err, ErrHelp) {
		t.Fatalf("error %v, want ErrHelp", err)
	}
	for _, e := range environment {
		if !strings.Contains(out.String(), "--"+e.flag+" ") || !strings.Contains(out.String(), "("+e.variable+";") {
			t.Errorf("help lacks %s or %s", e.flag, e.variable)
		}
	}
}
