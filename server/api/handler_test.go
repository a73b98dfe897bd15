package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/model"
	"rollproof/server/accesslog"
	"rollproof/server/gate"
	"rollproof/server/inference"
	"rollproof/server/metrics"
	"rollproof/server/repository"
)

// service serves the given models.
func service(models ...*model.Model) *inference.Service {
	return &inference.Service{Models: repository.Of(models...), Gate: gate.New(8, 8, time.Second), Bodies: gate.NewBudget(64 << 20), Timeout: 5 * time.Second}
}

// start serves a handler on a real listener.
func start(t *testing.T, change func(*Config)) (*httptest.Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := Config{
		Service: service(testModel("1"), testModel("2")), Pod: "pod-0", Version: "v0",
		Ready:        func() (bool, string) { return true, "" },
		MaxBodyBytes: 1000, MaxRows: 4,
		Metrics: metrics.New("v0", func() int64 { return 1 }, func() string { return "serving" }, []string{"serving"}),
	}
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	c.Access = accesslog.New(c.Log, 0)
	if change != nil {
		change(&c)
	}
	server := httptest.NewUnstartedServer(New(c))
	server.Config.ReadTimeout = 300 * time.Millisecond
	server.Config.ReadHeaderTimeout = 200 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return server, &log
}

// do sends a request and returns status, body and header.
func do(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(got), answer.Header
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	server, _ := start(t, nil)
	one := input("[1,2]", "[1,0.5]")
	metadata := func(versions string) string {
		return `{"name":"m","versions":[` + versions + `],"platform":"test_v1","inputs":[{"name":"X","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"label","datatype":"INT64","shape":[-1]},{"name":"p","datatype":"FP32","shape":[-1,2]}]}`
	}
	outputs := `"outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[1]},{"name":"p","datatype":"FP32","shape":[1,2],"data":[1,0.5]}]}`
	tests := []struct {
		name, method, path, body string
		status                   int
		version                  string // in the headers
		want                     string
	}{
		{"server", "GET", "/v2", "", 200, "", `{"name":"rollproof","version":"v0","extensions":["binary_tensor_data","model_repository(index)"]}`},
		{"live", "GET", "/v2/health/live", "", 200, "", `{"live":true}`},
		{"ready", "GET", "/v2/health/ready", "", 200, "", `{"ready":true,"live":true}`},
		{"head", "HEAD", "/v2/health/ready", "", 200, "", ``},
		{"model", "GET", "/v2/models/m", "", 200, "2", metadata(`"1","2"`)},
		{"model version", "GET", "/v2/models/m/versions/1", "", 200, "1", metadata(`"1"`)},
		{"model ready", "GET", "/v2/models/m/ready", "", 200, "2", `{"name":"m","version":"2","ready":true}`},
		{"version ready", "GET", "/v2/models/m/versions/1/ready", "", 200, "1", `{"name":"m","version":"1","ready":true}`},
		{"infer", "POST", "/v2/models/m/infer", one, 200, "2", `{"model_name":"m","model_version":"2",` + outputs},
		{"infer version", "POST", "/v2/models/m/versions/1/infer", `{"id":"7",` + one[1:], 200, "1", `{"model_name":"m","model_version":"1","id":"7",` + outputs},
		{"one output", "POST", "/v2/models/m/infer", `{"outputs":[{"name":"label"}],` + one[1:], 200, "2", `{"model_name":"m","model_version":"2","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[1]}]}`},
		{"bad request", "POST", "/v2/models/m/infer", input("[1,2]", "[1,null]"), 400, "2", `{"error":"inputs[0].data[1]: found null at byte 65, want a number","reason":"invalid_value"}`},
		{"no such model", "GET", "/v2/models/n", "", 404, "", `{"error":"model \"n\": not found: the models are [\"m\"]","reason":"model_not_found"}`},
		{"no such version", "POST", "/v2/models/m/versions/3/infer", one, 404, "", `{"error":"version \"3\" of model \"m\": not found: the versions are [\"1\" \"2\"]","reason":"model_not_found"}`},
		{"no such route", "GET", "/v2/models/m/explain", "", 404, "", `{"error":"no route \"/v2/models/m/explain\", want /, /openapi.json, /v2, /v2/health/live, /v2/health/ready, /v2/repository/index, /v2/models/MODEL[/versions/V][/ready or /infer] or /v1/models/MODEL[/versions/V][:predict]","reason":"route_not_found"}`},
		{"infer by GET", "GET", "/v2/models/m/infer", "", 405, "2", `{"error":"GET /v2/models/m/infer: the method is not allowed, want POST, OPTIONS","reason":"method_not_allowed"}`},
		{"ready by POST", "POST", "/v2/health/ready", "{}", 405, "", `{"error":"POST /v2/health/ready: the method is not allowed, want GET, HEAD, OPTIONS","reason":"method_not_allowed"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, body, header := do(t, test.method, server.URL+test.path, test.body)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if d := cmp.Diff(test.want, strings.TrimSpace(body)); d != "" {
				t.Errorf("body (-want +got):\n%s", d)
			}
			name := ""
			if test.version != "" {
				name = "m"
			}
			got := [4]string{header.Get("X-Rollproof-Pod"), header.Get("X-Rollproof-Model"), header.Get("X-Rollproof-Version"), header.Get("Content-Type")}
			if want := [4]string{"pod-0", name, test.version, "application/json"}; got != want {
				t.Errorf("headers %q, want %q", got, want)
			}
			if body != "" && !json.Valid([]byte(body)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestLabelsAreDescribed(t *testing.T) {
	t.Parallel()
	labelled := modelOf(model.Tensor{Name: "X", Datatype: model.FP32, Shape: []int64{-1, 2}, Labels: []string{"age", "fare <per head>"}})
	server, _ := start(t, func(c *Config) { c.Service = service(labelled) })
	_, body, _ := do(t, "GET", server.URL+"/v2/models/m", "")
	want := `{"name":"X","datatype":"FP32","shape":[-1,2],"parameters":{"labels":["age","fare <per head>"]}}`
	if !strings.Contains(body, `"inputs":[`+want+"]") {
		t.Errorf("%s\nwant %s in it", body, want)
	}
}

func TestModelsThatAreNotReady(t *testing.T) {
	t.Parallel()
	server, _ := start(t, func(c *Config) { c.Service.Models = refused(t) })
	for _, to := range []struct{ method, path string }{
		{"GET", "/v2/models/m"}, {"POST", "/v2/models/m/infer"}, {"POST", "/v1/models/m/versions/1:predict"}, {"GET", "/v2/models/m/ready"},
	} {
		status, body, _ := do(t, to.method, server.URL+to.path, "{}")
		if status != 503 || !strings.Contains(body, reasonNotReady) || !strings.Contains(body, "the test refuses it") {
			t.Errorf("%s %s: %d %s, want 503 and why", to.method, to.path, status, body)
		}
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	server, _ := start(t, nil)
	url := server.URL + "/v2/models/m/infer"
	large := input("[1,2]", "[1,2"+strings.Repeat(" ", 1000)+"]")
	status, body, _ := do(t, "POST", url, large)
	if status != 413 || !strings.Contains(body, reasonBodyTooLarge) {
		t.Errorf("large body: %d %s", status, body)
	}
	r, err := http.NewRequest("POST", url, io.MultiReader(strings.NewReader(large))) // chunked: no length known
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != 413 {
		t.Errorf("large chunked body: %d, want 413", answer.StatusCode)
	}
	status, body, _ = do(t, "POST", url, "x", "Content-Encoding", "gzip")
	if status != 415 || !strings.Contains(body, reasonBodyEncoding) {
		t.Errorf("compressed body: %d %s", status, body)
	}
}

// slowly sends a request's body in pieces and returns the answer's first line.
func slowly(t *testing.T, address, body string, pieces int, pause time.Duration) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
		t.Fatal(err)
	}
	for i := range pieces {
		time.Sleep(pause)
		from, to := i*len(body)/pieces, (i+1)*len(body)/pieces
		if _, err := io.WriteString(c, body[from:to]); err != nil {
			break // the server has answered already
		}
	}
	line := make([]byte, 12)
	if _, err := io.ReadFull(c, line); err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	server, _ := start(t, nil)
	address := server.Listener.Addr().String()
	body := input("[1,2]", "[1,2]")
	if got := slowly(t, address, body, 8, 10*time.Millisecond); got != "HTTP/1.1 200" {
		t.Errorf("body within the read timeout: %s, want 200", got)
	}
	if got := slowly(t, address, body, 2, 400*time.Millisecond); got != "HTTP/1.1 408" {
		t.Errorf("body beyond the read timeout: %s, want 408", got)
	}
}

// TestBodiesAreBounded holds that what is held of bodies stays within the budget, that
// a request which does not fit is told when to come again, and that all is given back.
func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	var bodies *gate.Budget
	server, log := start(t, func(c *Config) {
		bodies = gate.NewBudget(20 << 10)
		c.Service.Bodies = bodies
		c.MaxBodyBytes = 64 << 10
	})
	held, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	// The declared length costs nothing, what has come does.
	if _, err := fmt.Fprintf(held, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n%s", strings.Repeat(" ", 100)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Second); bodies.Used() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the body that has begun holds nothing")
		}
	}
	if got := bodies.Used(); got != firstRead {
		t.Errorf("%d bytes held, want %d", got, firstRead)
	}
	url := server.URL + "/v2/models/m/infer"
	if status, body, _ := do(t, "POST", url, input("[1,2]", "[1,2]")); status != http.StatusOK {
		t.Errorf("a body that fits: %d %s", status, body)
	}
	status, body, header := do(t, "POST", url, input("[1,2]", "[1,2"+strings.Repeat(" ", 8<<10)+"]"))
	if status != http.StatusServiceUnavailable || !strings.Contains(body, reasonOverloaded) || header.Get("Retry-After") == "" {
		t.Errorf("a body that does not fit: %d %s, Retry-After %q; want 503 with one", status, body, header.Get("Retry-After"))
	}
	_ = held.Close()
	for deadline := time.Now().Add(2 * time.Second); bodies.Used() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes still held after all requests", bodies.Used())
		}
	}
	server.Close() // so that the log is whole
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("a request that was turned away is logged as a failure:\n%s", log)
	}
}

// TestIndexGivesBackItsBody: what is asked often must not use up the memory for bodies.
func TestIndexGivesBackItsBody(t *testing.T) {
	t.Parallel()
	bodies := gate.NewBudget(firstRead)
	server, _ := start(t, func(c *Config) { c.Service.Bodies = bodies })
	for i := range 5 {
		status, body, _ := do(t, "POST", server.URL+"/v2/repository/index", `{"ready":true}`)
		if status != http.StatusOK || bodies.Used() != 0 {
			t.Fatalf("the index for the time %d: %d %s, and %d bytes are held", i+1, status, body, bodies.Used())
		}
	}
}

func TestFailuresAreServerErrors(t *testing.T) {
	t.Parallel()
	server, log := start(t, nil)
	url := server.URL + "/v2/models/m/infer"
	status, body, _ := do(t, "POST", url, input("[1,2]", "[13,1]"))
	if status != 500 || !strings.Contains(body, reasonInternal) {
		t.Errorf("panic: %d %s", status, body)
	}
	if status, _, _ := do(t, "POST", url, input("[1,2]", "[1,1]")); status != 200 {
		t.Errorf("after the panic: %d", status)
	}
	server.Close()
	if got := log.String(); !strings.Contains(got, "thirteen") || !strings.Contains(got, "level=WARN msg=request") ||
		strings.Contains(got, "status=200") {
		t.Errorf("log: %s", got)
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	server, log := start(t, func(c *Config) {
		c.Ready = func() (bool, string) { return false, "the server is draining" }
	})
	status, body, _ := do(t, "GET", server.URL+"/v2/health/ready", "")
	if status != 503 || body != `{"ready":false,"live":false,"error":"the server is draining","reason":"not_ready"}`+"\n" {
		t.Errorf("ready: %d %s", status, body)
	}
	if status, _, _ := do(t, "GET", server.URL+"/v2/health/live", ""); status != 200 {
		t.Errorf("live: %d, want 200 though not ready", status)
	}
	server.Close()
	if log.Len() > 0 {
		t.Errorf("logged %s, want nothing: a probe's 503 is no server error", log)
	}
}

func TestMetricsCountRequests(t *testing.T) {
	t.Parallel()
	var m *metrics.Metrics
	server, _ := start(t, func(c *Config) { m = c.Metrics })
	for range 3 {
		do(t, "POST", server.URL+"/v2/models/m/infer", input("[2,2]", "[1,2,3,4]"))
	}
	do(t, "POST", server.URL+"/v2/models/m/infer", "{}")
	do(t, "GET", server.URL+"/v2/models/"+strings.Repeat("x", 50), "")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`rollproof_requests_total{code="200",model="m",route="infer",version="2"} 3`,
		`rollproof_requests_total{code="400",model="m",route="infer",version="2"} 1`,
		`rollproof_requests_total{code="404",model="",route="model",version=""} 1`,
		`rollproof_rows_total{model="m",version="2"} 6`,
		`rollproof_request_duration_seconds_count{model="m",route="infer",version="2"} 4`,
		`rollproof_requests_in_flight 1`,
		`rollproof_state{state="serving"} 1`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
}

func BenchmarkInfer(b *testing.B) {
	for _, rows := range []int{1, 200} {
		b.Run(fmt.Sprintf("%drows", rows), func(b *testing.B) {
			h := New(Config{
				Service: service(testModel("1")), Pod: "p", Ready: func() (bool, string) { return true, "" },
				MaxBodyBytes: 1 << 20, MaxRows: 4096,
				Metrics: metrics.New("v0", func() int64 { return 0 }, func() string { return "" }, nil),
				Access:  accesslog.New(slog.New(slog.DiscardHandler), 0),
				Log:     slog.New(slog.DiscardHandler),
			})
			data := strings.TrimSuffix(strings.Repeat("17.99,0.07871,", rows), ",")
			body := input(fmt.Sprintf("[%d,2]", rows), "["+data+"]")
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("POST", "/v2/models/m/infer", strings.NewReader(body)))
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
