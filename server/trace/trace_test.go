package trace

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP endpoint that keeps the names of spans and their parents.
type receiver struct {
	mu    sync.Mutex
	spans []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(q.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	data, err := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(data, &request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range request.ResourceSpans {
		about := of.Resource.String()
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, s.Name+" "+string([]byte("0123456789abcdef")[s.TraceId[0]>>4])+" "+about)
			}
		}
	}
}

// TestTracesArrive is not parallel: the SDK reads the process's environment.
func TestTracesArrive(t *testing.T) {
	r := &receiver{}
	endpoint := httptest.NewServer(r)
	defer endpoint.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.URL)
	tracing, err := Start(t.Context(), []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint.URL},
		Service{Version: "v1", Pod: "pod-7"}, io.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := tracing.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		func(path string) bool { return path == "/probe" })
	for _, path := range []string{"/infer", "/probe"} {
		q := httptest.NewRequest(http.MethodPost, path, nil)
		q.Header.Set("traceparent", "00-d0000000000000000000000000000001-0000000000000001-01")
		h.ServeHTTP(httptest.NewRecorder(), q)
	}
	if err := tracing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spans) != 1 || !strings.HasPrefix(r.spans[0], "POST /infer d ") ||
		!strings.Contains(r.spans[0], "pod-7") || !strings.Contains(r.spans[0], "rollproof") {
		t.Errorf("spans %q, want one of POST /infer in the caller's trace, of rollproof and pod-7", r.spans)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		environ []string
		on      bool
		want    string // a part of the error
	}{
		{"nothing asked for", nil, false, ""},
		{"none", []string{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, false, ""},
		{"disabled", []string{"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=console"}, false, ""},
		{"console", []string{"OTEL_TRACES_EXPORTER=console"}, true, ""},
		{"endpoint of traces", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:1"}, true, ""},
		{"grpc", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, true, ""},
		{"exporter", []string{"OTEL_TRACES_EXPORTER=zipkin"}, false, `OTEL_TRACES_EXPORTER="zipkin": want otlp`},
		{"protocol", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, false, "want http/protobuf or grpc"},
		{"propagators", []string{"OTEL_TRACES_EXPORTER=console", "OTEL_PROPAGATORS=tracecontext,b3"}, false, `"b3" is not one of`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tracing, err := Start(t.Context(), test.environ, Service{}, io.Discard, slog.New(slog.DiscardHandler))
			if (tracing != nil) != test.on || (err != nil) != (test.want != "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("tracing %t, error %v; want %t and an error with %q", tracing != nil, err, test.on, test.want)
			}
			if tracing != nil {
				if err := tracing.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tracing, err := Start(t.Context(), []string{"OTEL_TRACES_EXPORTER=console"}, Service{}, &out, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := tracing.Wrap(http.NotFoundHandler(), func(string) bool { return false })
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
	if err := tracing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "GET /x") {
		t.Errorf("console has no span of GET /x: %s", out.String())
	}
}
