package settings

import (
	"errors"
	"flag"
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
		Models: "/models", Listen: "127.0.0.1:8080", MetricsListen: "127.0.0.1:9090", Drain: true, Direct: true,
		DrainDelay: 5 * time.Second, ShutdownTimeout: 10 * time.Second, MaxBodyBytes: 4194304, MaxRows: 4096,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, LogLevel: slog.LevelInfo, Pod: "pod-0",
		Poll: 10 * time.Second, GRPCMaxConnectionAge: 5 * time.Minute, MaxHeldBytes: 32 << 20,
		Queue: 512, QueueWait: 5 * time.Second, PredictTimeout: 10 * time.Second,
		MaxConnections: 1024, MaxConnectionRequests: 1000, MaxConnectionAge: 5 * time.Minute,
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
			"ROLLPROOF_POLL=1m", "ROLLPROOF_KEEP_VERSIONS=2", "ROLLPROOF_GRPC_LISTEN=:8081", "ROLLPROOF_TLS_CERT=c", "ROLLPROOF_TLS_KEY=k",
			"ROLLPROOF_TLS_CLIENT_CA=a", "ROLLPROOF_API_KEYS=y",
			"ROLLPROOF_GRPC_MAX_CONNECTION_AGE=1h", "ROLLPROOF_MAX_HELD_BYTES=9", "ROLLPROOF_MAX_CONCURRENCY=10", "ROLLPROOF_QUEUE=11",
			"ROLLPROOF_QUEUE_WAIT=12s", "ROLLPROOF_PREDICT_TIMEOUT=13s", "ROLLPROOF_ACCESS_LOG=0.5",
			"ROLLPROOF_UNSAFE_DELAY=17s", "ROLLPROOF_MAX_CONNECTIONS=14", "ROLLPROOF_MAX_CONNECTION_REQUESTS=15", "ROLLPROOF_MAX_CONNECTION_AGE=16s",
		}, func(s *Settings) {
			*s = Settings{
				Models: "/m", Listen: ":8080", MetricsListen: ":9090", Direct: true, DrainDelay: time.Second, ShutdownTimeout: 2 * time.Second,
				MaxBodyBytes: 3, MaxRows: 4, ReadHeaderTimeout: 5 * time.Millisecond, ReadTimeout: 6 * time.Second,
				LogLevel: slog.LevelDebug, Pod: "pod-0",
				Poll: time.Minute, KeepVersions: 2, GRPCListen: ":8081", TLSCert: "c", TLSKey: "k", TLSClientCA: "a", APIKeys: "y",
				GRPCMaxConnectionAge: time.Hour, MaxHeldBytes: 9, MaxConcurrency: 10,
				Queue: 11, QueueWait: 12 * time.Second, PredictTimeout: 13 * time.Second, AccessLog: 0.5,
				UnsafeDelay: 17 * time.Second, MaxConnections: 14, MaxConnectionRequests: 15, MaxConnectionAge: 16 * time.Second,
			}
		}},
		{"flag wins", []string{"--drain-delay=3s", "--drain", "on"}, []string{"ROLLPROOF_DRAIN_DELAY=1s", "ROLLPROOF_DRAIN=off"},
			func(s *Settings) { s.DrainDelay = 3 * time.Second }},
		{"a file", []string{"--model=/x/iris forest.v2.onnx"}, nil,
			func(s *Settings) { s.Models, s.Model, s.Name = "", "/x/iris forest.v2.onnx", "iris-forest.v2" }},
		{"a file with a name", []string{"--model=/x/1.onnx", "--name=iris"}, nil,
			func(s *Settings) { s.Models, s.Model, s.Name = "", "/x/1.onnx", "iris" }},
		{"a file without one", []string{"--model=/x/.onnx"}, nil,
			func(s *Settings) { s.Models, s.Model, s.Name = "", "/x/.onnx", "model" }},
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
		{"a long test delay", []string{"--unsafe-delay=61s"}, "", "--unsafe-delay 1m1s: want at most 1m0s"},
		{"a negative test delay", []string{"--unsafe-delay=-1s"}, "", "--unsafe-delay -1s: want 0s or more"},
		{"no delay", []string{"--drain-delay=0s"}, "", "--drain-delay 0s with --drain on"},
		{"no shutdown", []string{"--shutdown-timeout=0s"}, "", "--shutdown-timeout 0s: want more than 0s"},
		{"no read timeout", []string{"--read-timeout=0s"}, "", "--read-timeout 0s"},
		{"header longer than all", []string{"--read-header-timeout=31s"}, "", "--read-header-timeout 31s is longer than --read-timeout 30s"},
		{"no body", []string{"--max-body-bytes=0"}, "", "--max-body-bytes 0"},
		{"no rows", []string{"--max-rows=-1"}, "", "--max-rows -1"},
		{"file and folder", []string{"--models=/m", "--model=x"}, "", "--model x and --models /m: want one"},
		{"name of a folder", []string{"--name=x"}, "", `--name "x" without --model`},
		{"certificate without key", []string{"--tls-cert=c"}, "", "want both or neither"},
		{"clients without TLS", []string{"--tls-client-ca=c"}, "", "--tls-client-ca c without --tls-cert"},
		{"held less than one", []string{"--max-held-bytes=5"}, "", "--max-held-bytes 5 is less than --max-body-bytes"},
		{"more than all", []string{"--access-log=1.5"}, "", "--access-log 1.5: want 0 to 1"},
		{"no number", []string{"--access-log=NaN"}, "", "--access-log NaN"},
		{"negative queue", []string{"--queue=-1"}, "", "--queue -1: want 0 or more"},
		{"negative poll", []string{"--poll=-1s"}, "", "--poll -1s: want 0s or more"},
		{"negative connections", []string{"--max-connections=-1"}, "", "--max-connections -1: want 0 or more"},
		{"negative requests", []string{"--max-connection-requests=-1"}, "", "--max-connection-requests -1: want 0 or more"},
		{"negative age", []string{"--max-connection-age=-1s"}, "", "--max-connection-age -1s: want 0s or more"},
		{"no prediction", []string{"--predict-timeout=0s"}, "", "--predict-timeout 0s: want more than 0s"},
		{"same address for gRPC", []string{"--grpc-listen=127.0.0.1:8080"}, "", `--listen and --grpc-listen are both "127.0.0.1:8080"`},
		{"no port for gRPC", []string{"--grpc-listen=x"}, "", `--grpc-listen "x": want HOST:PORT`},
		{"keep", []string{"--keep-versions=-1"}, "", "--keep-versions -1"},
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
	(&Settings{}).flags("").VisitAll(func(f *flag.Flag) {
		if v := variable(f.Name); !strings.Contains(out.String(), "--"+f.Name+" ") || !strings.Contains(out.String(), "("+v) {
			t.Errorf("help lacks %s or %s", f.Name, v)
		}
	})
}
