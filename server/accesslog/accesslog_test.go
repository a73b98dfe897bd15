package accesslog

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		level  slog.Level
		rate   float64
		failed bool
		want   string // a part of the line; empty for no line
	}{
		{"not sampled", slog.LevelInfo, 0, false, ""},
		{"sampled", slog.LevelInfo, 1, false, "level=INFO"},
		{"failed", slog.LevelInfo, 0, true, "level=WARN"},
		{"debug writes all", slog.LevelDebug, 0, false, "level=DEBUG"},
		{"only errors wanted", slog.LevelError, 1, true, ""},
		{"only warnings wanted", slog.LevelWarn, 1, false, ""},
	} {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: test.level})), test.rate)
		l.Write(t.Context(), test.failed, func() Request {
			if test.want == "" {
				t.Errorf("%s: described without need", test.name)
			}
			return Request{
				Protocol: "http", Method: "POST", Path: "/v2", Remote: "1.2.3.4:5", Code: "500", Rows: 3,
				Took: time.Second, Model: "m", Version: "1", Answer: "no", Err: errors.New("gone"),
			}
		})
		got := out.String()
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q in it", test.name, got, test.want)
		}
		if got != "" && !strings.Contains(got, "protocol=http method=POST path=/v2 remote=1.2.3.4:5 code=500 took=1s model=m version=1 answer=no rows=3 write_error=gone") {
			t.Errorf("%s: the line is %q", test.name, got)
		}
	}
}

func TestTheSampleIsOfTheRate(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, nil)), 0.25)
	for range 4000 {
		l.Write(t.Context(), false, func() Request { return Request{} })
	}
	// Four standard deviations (27 each) around 1,000.
	if n := strings.Count(out.String(), "\n"); n < 890 || n > 1110 {
		t.Errorf("%d lines of 4,000, want about 1,000", n)
	}
}
