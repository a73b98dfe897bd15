package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	problems "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/paths"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"rollproof/model"
	"rollproof/server/access"
	"rollproof/server/gate"
)

// description is /openapi.json, as a validator reads it that knows nothing of this
// project.
type description struct {
	// Validator complains of what is not described, too; lenient does not.
	validator.Validator
	lenient validator.Validator
	doc     *v3.Document
}

func readDescription(t *testing.T, server string) *description {
	t.Helper()
	status, body, _ := do(t, "GET", server+"/openapi.json", "")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	document, err := libopenapi.NewDocument([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	built, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	strict, failed := validator.NewValidator(document, config.WithStrictMode(),
		config.WithStrictIgnoredHeadersExtra("X-Rollproof-Pod", "X-Rollproof-Model", "X-Rollproof-Version")) // on every answer
	lenient, too := validator.NewValidator(document)
	if failed = append(failed, too...); len(failed) > 0 {
		t.Fatal(failed)
	}
	return &description{strict, lenient, &built.Model}
}

// said is what a validator says, for people.
func said(list []*problems.ValidationError) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "%s: %s\n", p.Message, p.Reason)
		for _, s := range p.SchemaValidationErrors {
			fmt.Fprintf(&b, "  %s: %s\n", s.Location, s.Reason)
		}
	}
	return b.String()
}

func TestDescriptionIsValid(t *testing.T) {
	t.Parallel()
	for name, models := range map[string][]*model.Model{
		"no models":     nil,
		"two versions":  {testModel("1"), testModel("2")},
		"every type":    {modelOf(tensor("a", model.Bool), tensor("b", model.Uint64, 2), tensor("c", model.FP16, model.Any), tensor("d", model.BF16, 2, 3), tensor("e", model.Bytes))},
		"without rows":  {{Name: "a.b-c_d", Version: "1", Artifact: model.Artifact{Predictor: echo{}, Inputs: []model.Tensor{{Name: "x", Datatype: model.FP32, Shape: []int64{}}}}}},
		"names of note": {modelOf(tensor(`"quoted" {braced} /slashed`, model.FP32, 2))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := start(t, func(c *Config) { c.Service = service(models...) })
			d := readDescription(t, server.URL)
			if ok, list := d.ValidateDocument(); !ok {
				t.Errorf("not a valid OpenAPI document:\n%s", said(list))
			}
		})
	}
}

// TestExamplesWork sends the examples of the description.
func TestExamplesWork(t *testing.T) {
	t.Parallel()
	several := modelOf(tensor("age", model.FP32, 1), tensor("sex", model.Bytes), tensor("seen", model.Bool, 2), tensor("n", model.Uint64))
	several.Name = "several"
	server, _ := start(t, func(c *Config) { c.Service = service(testModel("1"), several) })
	d := readDescription(t, server.URL)
	sent := 0
	for path, item := range d.doc.Paths.PathItems.FromOldest() {
		if item.Post == nil || strings.Contains(path, "{") || item.Post.RequestBody == nil {
			continue
		}
		example := item.Post.RequestBody.Content.GetOrZero("application/json").Example
		if example == nil {
			continue
		}
		var value any
		if err := example.Decode(&value); err != nil {
			t.Fatal(err)
		}
		status, body, _ := do(t, "POST", server.URL+path, string(marshal(value)))
		if status != http.StatusOK {
			t.Errorf("%s with its example: %d %s", path, status, body)
		}
		sent++
	}
	if sent != 4 {
		t.Errorf("%d examples, want 4: two routes of two models", sent)
	}
}

// predicting is a model of one column whose predictions are what the function makes.
func predicting(name string, by func(ctx context.Context, out *model.Value) error) *model.Model {
	m := modelOf(tensor("X", model.FP32, 2))
	m.Name, m.Predictor = name, function(by)
	return m
}

type function func(ctx context.Context, out *model.Value) error

func (f function) Predict(ctx context.Context, in, out []model.Value) error {
	out[0].Reset(model.FP32, in[0].Shape...)
	copy(out[0].Floats, in[0].Floats)
	return f(ctx, &out[0])
}

// exchange is a request and the answer that is expected of it.
type exchange struct {
	server       string
	method, path string
	body         io.Reader
	header       http.Header
	status       int
}

// pause is a body's part that comes late.
type pause time.Duration

func (p pause) Read([]byte) (int, error) {
	time.Sleep(time.Duration(p))
	return 0, io.EOF
}

// exchanges are at least one for each status of each route.
func exchanges(t *testing.T) (list []exchange, plain string) {
	t.Helper()
	url := func(change func(*Config)) string {
		server, _ := start(t, change)
		return server.URL
	}
	plain = url(func(c *Config) {
		c.Service = service(testModel("1"), testModel("2"),
			predicting("nan", func(_ context.Context, out *model.Value) error { out.Floats[0] = float32(math.NaN()); return nil }),
			predicting("slow", func(ctx context.Context, _ *model.Value) error {
				for ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				return ctx.Err()
			}))
		c.Service.Timeout = 20 * time.Millisecond
	})
	notReady := url(func(c *Config) {
		c.Service.Models = refused(t)
		c.Ready = func() (bool, string) { return false, "the test says so" }
	})
	full := url(func(c *Config) {
		c.Service.Gate = gate.New(1, 0, time.Second)
		c.Service.Bodies = gate.NewBudget(100)
		if err := c.Service.Gate.Enter(t.Context()); err != nil || !c.Service.Bodies.Reserve(100) {
			t.Fatal("the server is full already", err)
		}
	})
	keyed := keyedServer(t)
	add := func(server, method, path, body string, status int, header ...string) {
		e := exchange{server: server, method: method, path: path, status: status, header: http.Header{}}
		if body != "" {
			e.body = strings.NewReader(body)
		}
		for i := 0; i+1 < len(header); i += 2 {
			e.header.Set(header[i], header[i+1])
		}
		list = append(list, e)
	}
	late := func(path, body string) {
		list = append(list, exchange{
			server: plain, method: "POST", path: path, status: 408, header: http.Header{},
			body: io.MultiReader(strings.NewReader(body), pause(400*time.Millisecond), strings.NewReader(" ")),
		})
	}
	large := strings.Repeat(" ", 1001)
	add(plain, "GET", "/", "", 200)
	for _, path := range []string{"/openapi.json", "/v2"} {
		add(plain, "GET", path, "", 200)
		add(keyed, "GET", path, "", 401)
	}
	add(plain, "GET", "/v2/health/live", "", 200)
	add(plain, "GET", "/v2/health/ready", "", 200)
	add(notReady, "GET", "/v2/health/ready", "", 503)
	const index = "/v2/repository/index"
	add(plain, "POST", index, "", 200)
	add(notReady, "POST", index, `{"ready":false}`, 200)
	add(plain, "POST", index, `{"ready":1}`, 400)
	add(keyed, "POST", index, "{}", 401)
	late(index, "{}")
	add(plain, "POST", index, large, 413)
	add(plain, "POST", index, "{}", 415, "Content-Encoding", "gzip")
	add(full, "POST", index, "{}", 503)
	for _, version := range []string{"", "/versions/1"} {
		for _, route := range []string{"/v2/models/%s" + version, "/v2/models/%s" + version + "/ready", "/v1/models/%s" + version} {
			add(plain, "GET", fmt.Sprintf(route, "m"), "", 200)
			add(keyed, "GET", fmt.Sprintf(route, "m"), "", 401)
			add(plain, "GET", fmt.Sprintf(route, "none"), "", 404)
			status := 503
			if strings.HasPrefix(route, "/v1") { // it tells the state, whatever that is
				status = 200
			}
			add(notReady, "GET", fmt.Sprintf(route, "m"), "", status)
		}
		for route, body := range map[string]string{
			"/v2/models/%s" + version + "/infer":   `{"id":"7","inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","data":[%s]}]}`,
			"/v1/models/%s" + version + ":predict": `{"instances":[[%s]]}`,
		} {
			to := func(name string) string { return fmt.Sprintf(route, name) }
			good := fmt.Sprintf(body, "1,2")
			add(plain, "POST", to("m"), good, 200)
			add(plain, "POST", to("m"), "{}", 400)
			add(keyed, "POST", to("m"), good, 401)
			add(plain, "POST", to("none"), good, 404)
			late(to("m"), good)
			add(plain, "POST", to("m"), large, 413)
			add(plain, "POST", to("m"), good, 415, "Content-Encoding", "gzip")
			add(plain, "POST", to("nan"), good, 422)
			add(plain, "POST", to("m"), fmt.Sprintf(body, "13,1"), 500)
			add(full, "POST", to("m"), good, 503)
			add(notReady, "POST", to("m"), good, 503)
			add(plain, "POST", to("slow"), good, 504)
		}
		add(plain, "POST", "/v2/models/m"+version+"/infer", `{"parameters":{"binary_data_output":true},`+input("[1,2]", "[1,2]")[1:], 200)
		add(plain, "POST", "/v2/models/m"+version+"/infer", `{"outputs":[{"name":"p","parameters":{"binary_data":true}},{"name":"label"}],`+input("[1,2]", "[[1,2]]")[1:], 200)
		binary := `{"inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}`
		add(plain, "POST", "/v2/models/m"+version+"/infer", binary+"\x00\x00\x80\x3f\x00\x00\x00\x40", 200,
			headerLength, strconv.Itoa(len(binary)), "Content-Type", "application/octet-stream")
		add(plain, "POST", "/v1/models/nan"+version+":predict", `{"parameters":{"missing":"null"},"inputs":{"X":[[1,2]]}}`, 200)
	}
	return list, plain
}

// keyedServer answers who shows a key.
func keyedServer(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("a key of some length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := access.ReadKeys(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inside, _ := start(t, nil)
	server := httptest.NewServer(keys.Wrap(inside.Config.Handler, func(string) bool { return false }))
	t.Cleanup(server.Close)
	return server.URL
}

// TestAnswersAreAsDescribed holds every answer of every route against its description,
// and that there is no described answer which no request here gets.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	list, plain := exchanges(t)
	d := readDescription(t, plain)
	seen := map[string]bool{}
	for _, e := range list {
		name := fmt.Sprintf("%s %s %d", e.method, e.path, e.status)
		request, err := http.NewRequestWithContext(t.Context(), e.method, e.server+e.path, e.body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = e.header
		if e.body != nil && e.header.Get("Content-Type") == "" {
			request.Header.Set("Content-Type", "application/json")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // only read from
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if response.StatusCode != e.status {
			t.Errorf("%s: got %d %.200s", name, response.StatusCode, body)
			continue
		}
		_, failed, path := paths.FindPath(request, d.doc, nil)
		if len(failed) > 0 {
			t.Errorf("%s:\n%s", name, said(failed))
			continue
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		by := d.Validator
		if path == "/openapi.json" { // whose own schema is OpenAPI's, which TestDescriptionIsValid holds it against
			by = d.lenient
		}
		if ok, failed := by.ValidateHttpResponse(request, response); !ok {
			t.Errorf("%s as %s: %.300s\n%s", name, path, body, said(failed))
		}
		for _, own := range []string{"m", "nan", "slow"} { // models have routes of their own
			path = strings.Replace(path, "/models/"+own+"/", "/models/{model}/", 1)
			path = strings.Replace(path, "/models/"+own+":", "/models/{model}:", 1)
		}
		seen[fmt.Sprintf("%s %s %d", strings.ToLower(e.method), path, e.status)] = true
	}
	for path, item := range d.doc.Paths.PathItems.FromOldest() {
		if strings.HasPrefix(path, "/v2/models/") && !strings.Contains(path, "{") || strings.HasPrefix(path, "/v1/models/") && !strings.Contains(path, "{") {
			continue
		}
		for method, operation := range item.GetOperations().FromOldest() {
			for code := range operation.Responses.Codes.FromOldest() {
				if key := method + " " + path + " " + code; !seen[key] {
					t.Errorf("described, but no request here gets it: %s", key)
				}
			}
		}
	}
}
