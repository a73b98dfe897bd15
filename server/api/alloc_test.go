//go:build !race

// The race detector makes sync.Pool forget, so that there would be allocations.

package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollproof/model"
	"rollproof/model/onnx"
	"rollproof/server/accesslog"
	"rollproof/server/metrics"
)

// discarding is a ResponseWriter that is used again and keeps nothing.
type discarding struct {
	header http.Header
	status int
}

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) WriteHeader(status int)      { d.status = status }
func (d *discarding) Write(b []byte) (int, error) { return len(b), nil }

// TestInferAllocatesLittle holds the hot path of one row, from the request as net/http
// gives it to the answer as it takes it.
func TestInferAllocatesLittle(t *testing.T) {
	artifact, err := onnx.ReadFile("../../model/breastcancer/v1/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h := New(Config{
		Service: service(&model.Model{Name: "m", Version: "1", Artifact: *artifact}), Pod: "pod-0", Version: "v0",
		Ready: func() (bool, string) { return true, "" }, MaxBodyBytes: 1 << 20, MaxRows: 10,
		Metrics: metrics.New("v0", func() int64 { return 1 }, func() string { return "serving" }, []string{"serving"}),
		Access:  accesslog.New(log, 0), Log: log,
	})
	h.Service.Timeout = time.Minute
	body := strings.NewReader(`{"inputs":[{"name":"X","shape":[1,30],"datatype":"FP32","data":[` + strings.Repeat("0.25,", 29) + `17.5]}]}`)
	r := httptest.NewRequest(http.MethodPost, "/v2/models/m/infer", io.NopCloser(body))
	r.ContentLength = body.Size()
	w := &discarding{header: http.Header{}}
	predict := func() {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			t.Error(err)
		}
		clear(w.header)
		h.ServeHTTP(w, r)
	}
	predict()
	if w.status != http.StatusOK {
		t.Fatalf("status %d, want 200", w.status)
	}
	if n := testing.AllocsPerRun(100, predict); n > 3 {
		t.Errorf("%v allocations a request, want 3 or fewer", n)
	}
}
