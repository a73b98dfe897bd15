package load_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/bench/load"
)

// printed is what wrk 4.1 prints with --latency.
const printed = `Running 3s test @ http://127.0.0.1:8080/v2/models/m/infer
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   419.09us  110.32us   4.03ms   90.16%
    Req/Sec    76.71k     1.93k   79.69k    83.87%
  Latency Distribution
     50%  402.00us
     75%  431.00us
     90%  495.00us
     99%    1.05ms
  236598 requests in 3.10s, 63.40MB read
Requests/sec:  76322.41
Transfer/sec:     20.45MB
`

func TestParseReport(t *testing.T) {
	t.Parallel()
	got, err := load.ParseReport(printed)
	if err != nil {
		t.Fatal(err)
	}
	want := load.Report{PerSecond: 76322.41, Requests: 236598, P50: 402 * time.Microsecond, P99: 1050 * time.Microsecond}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseReportRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		failures         bool
	}{
		{"another status", printed + "  Non-2xx or 3xx responses: 12\n", "responses: 12", true},
		{"socket errors", printed + "  Socket errors: connect 0, read 3, write 0, timeout 1\n", "read 3", true},
		{"nothing answered", strings.Replace(strings.Replace(printed, "236598", "0", 1), "76322.41", "0.00", 1), "none", true},
		{"cut off", printed[:len(printed)-70], `no "Requests/sec:"`, false},
		{"no latencies", strings.Replace(printed, "99%    1.05ms", "", 1), `no "99%"`, false},
		{"no unit", strings.Replace(printed, "402.00us", "402.00", 1), `"402.00"`, false},
		{"no number", strings.Replace(printed, "76322.41", "nan", 1), `"nan"`, false},
		{"nothing", "unable to connect to 127.0.0.1:8080 Connection refused\n", "no", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load.ParseReport(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, load.ErrFailures) != test.failures {
				t.Errorf("error %v, want one with %q, of failures: %t", err, test.want, test.failures)
			}
		})
	}
}

func FuzzParseReport(f *testing.F) {
	f.Add(printed)
	f.Add("50% 1s\n99% 2s\n1 requests in 1s, x\nRequests/sec: 1e400\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := load.ParseReport(text)
		if err != nil {
			return
		}
		if !(r.PerSecond > 0) || r.Requests <= 0 || r.P50 < 0 || r.P99 < 0 {
			t.Errorf("%+v without an error", r)
		}
	})
}
