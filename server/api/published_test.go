package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/model"
	"rollproof/server/repository"
)

// published is the specification's REST half: each object's fields with their types, an
// exclamation mark behind those that must be there, as
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_rest.yaml
// and, for the three health answers, inference_rest.md beside it have them.
const published = `
live_server_response: live boolean !
ready_server_response: live boolean !
ready_model_response: name string !, ready boolean !
metadata_server_response: name string !, version string !, extensions [string] !
metadata_model_response: name string !, versions [string], platform string !, inputs [metadata_tensor] !, outputs [metadata_tensor] !
metadata_tensor: name string !, datatype string !, shape [number] !
inference_response: model_name string !, model_version string, id string, parameters object, outputs [response_output] !
response_output: name string !, shape [number] !, datatype string !, parameters object, data tensor_data !
error_response: error string !
`

// ownFields are the fields that this server adds.
var ownFields = []string{
	"ready_server_response.ready", "ready_model_response.version", "metadata_tensor.parameters", "error_response.reason",
}

// publishedField is one of published.
type publishedField struct {
	kind     string
	required bool
}

// readPublished is the table by object and field.
func readPublished(t *testing.T) map[string]map[string]publishedField {
	t.Helper()
	all := map[string]map[string]publishedField{}
	for line := range strings.Lines(strings.TrimSpace(published) + "\n") {
		name, list, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Fatalf("published: %q", line)
		}
		all[name] = map[string]publishedField{}
		for _, one := range strings.Split(list, ", ") {
			parts := strings.Fields(one)
			all[name][parts[0]] = publishedField{parts[1], len(parts) == 3}
		}
	}
	return all
}

// conform is what is wrong with a value that should be of a published type.
func conform(of map[string]map[string]publishedField, kind, at string, value any) (wrong []string) {
	if element, ok := strings.CutPrefix(kind, "["); ok {
		list, ok := value.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, want an array", at, value)}
		}
		for i, each := range list {
			wrong = append(wrong, conform(of, strings.TrimSuffix(element, "]"), fmt.Sprintf("%s[%d]", at, i), each)...)
		}
		return wrong
	}
	fine := false
	switch kind {
	case "string":
		_, fine = value.(string)
	case "boolean":
		_, fine = value.(bool)
	case "number":
		_, fine = value.(float64)
	case "tensor_data":
		_, fine = value.([]any)
	case "object":
		_, fine = value.(map[string]any)
	default:
		return conformObject(of, kind, at, value)
	}
	if !fine {
		return []string{fmt.Sprintf("%s is %T, want %s", at, value, kind)}
	}
	return nil
}

// conformObject is conform for an object of the table.
func conformObject(of map[string]map[string]publishedField, kind, at string, value any) (wrong []string) {
	fields := of[kind]
	object, ok := value.(map[string]any)
	if !ok || fields == nil {
		return []string{fmt.Sprintf("%s is %T, want %s", at, value, kind)}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		f, ok := fields[name]
		switch {
		case ok:
			wrong = append(wrong, conform(of, f.kind, at+"."+name, object[name])...)
		case !slices.Contains(ownFields, kind+"."+name):
			wrong = append(wrong, at+"."+name+" is neither published nor said to be this server's own")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if _, ok := object[name]; !ok && fields[name].required {
			wrong = append(wrong, at+"."+name+" is missing")
		}
	}
	return wrong
}

// refused is a repository in which no file is a model.
func refused(t *testing.T) *repository.Repository {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"m", "n"} {
		if err := os.MkdirAll(filepath.Join(folder, name, "1"), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name, "1", "file"), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := repository.Open(t.Context(), repository.Options{
		Folder: folder, Tolerant: true, Read: func(data []byte) (*model.Artifact, error) {
			if string(data) == "m" {
				return nil, errors.New("the test refuses it")
			}
			return &testModel("1").Artifact, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnswersHaveThePublishedFields(t *testing.T) {
	t.Parallel()
	of := readPublished(t)
	labelled := modelOf(model.Tensor{Name: "X", Datatype: model.FP32, Shape: []int64{-1, 2}, Labels: []string{"age", "fare"}})
	labelled.Name = "labelled"
	server, _ := start(t, func(c *Config) { c.Service = service(testModel("1"), testModel("2"), labelled) })
	down, _ := start(t, func(c *Config) { c.Service.Models = refused(t) })
	one := input("[1,2]", "[[1,0.5]]")
	for _, test := range []struct {
		server, method, path, body string
		status                     int
		kind                       string
	}{
		{server.URL, "GET", "/v2/health/live", "", 200, "live_server_response"},
		{server.URL, "GET", "/v2/health/ready", "", 200, "ready_server_response"},
		{server.URL, "GET", "/v2/models/m/ready", "", 200, "ready_model_response"},
		{server.URL, "GET", "/v2/models/m/versions/1/ready", "", 200, "ready_model_response"},
		{server.URL, "GET", "/v2", "", 200, "metadata_server_response"},
		{server.URL, "GET", "/v2/", "", 200, "metadata_server_response"},
		{server.URL, "GET", "/v2/models/m", "", 200, "metadata_model_response"},
		{server.URL, "GET", "/v2/models/labelled/versions/1", "", 200, "metadata_model_response"},
		{server.URL, "POST", "/v2/models/m/infer", one, 200, "inference_response"},
		{server.URL, "POST", "/v2/models/m/versions/1/infer", `{"id":"42","parameters":{"any":[1]},"outputs":[{"name":"p"}],` + one[1:], 200, "inference_response"},
		{server.URL, "POST", "/v2/models/m/infer", `{}`, 400, "error_response"},
		{server.URL, "GET", "/v2/models/n", "", 404, "error_response"},
		{server.URL, "GET", "/v2/models/n/ready", "", 404, "error_response"},
		{server.URL, "POST", "/v2/models/n/infer", one, 404, "error_response"},
		{server.URL, "GET", "/v2/nothing", "", 404, "error_response"},
		{down.URL, "GET", "/v2/models/m", "", 503, "error_response"},
	} {
		status, body, _ := do(t, test.method, test.server+test.path, test.body)
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil || status != test.status {
			t.Errorf("%s %s: %d %s, want %d; %v", test.method, test.path, status, body, test.status, err)
			continue
		}
		if wrong := conform(of, test.kind, test.kind, value); len(wrong) > 0 {
			t.Errorf("%s %s: %s\n%s", test.method, test.path, body, strings.Join(wrong, "\n"))
		}
	}
}

// TestThePublishedExample asks what the specification's example asks, and gives the
// answer that it gives.
func TestThePublishedExample(t *testing.T) {
	t.Parallel()
	m := &model.Model{Name: "mymodel", Version: "1", Artifact: model.Artifact{
		Inputs: []model.Tensor{
			{Name: "input0", Datatype: model.Uint32, Shape: []int64{2, 2}}, {Name: "input1", Datatype: model.Bool, Shape: []int64{3}},
		},
		Outputs: []model.Tensor{{Name: "output0", Datatype: model.FP32, Shape: []int64{3, 2}}, {Name: "output1", Datatype: model.FP32, Shape: []int64{1}}},
		Predictor: both(func(in, out []model.Value) {
			out[0].Reset(model.FP32, 3, 2)
			copy(out[0].Floats, []float32{1.0, 1.1, 2.0, 2.1, 3.0, 3.1})
			out[1].Reset(model.FP32, 1)
			out[1].Floats[0] = float32(in[0].Ints[3] + in[1].Ints[2])
		}),
	}}
	server, _ := start(t, func(c *Config) { c.Service = service(m) })
	const asked = `{
		"id" : "42",
		"inputs" : [
			{"name" : "input0", "shape" : [ 2, 2 ], "datatype" : "UINT32", "data" : [ 1, 2, 3, 4 ]},
			{"name" : "input1", "shape" : [ 3 ], "datatype" : "BOOL", "data" : [ true, false, true ]}
		],
		"outputs" : [{"name" : "output0"}]
	}`
	status, body, header := do(t, "POST", server.URL+"/v2/models/mymodel/infer", asked, "Content-Type", "application/json")
	want := `{"model_name":"mymodel","model_version":"1","id":"42","outputs":[{"name":"output0","datatype":"FP32","shape":[3,2],"data":[1,1.1,2,2.1,3,3.1]}]}` + "\n"
	if d := cmp.Diff(want, body); status != 200 || header.Get("Content-Type") != "application/json" || d != "" {
		t.Errorf("%d %s (-want +got):\n%s", status, header.Get("Content-Type"), d)
	}
}

// both is compute that cannot fail.
type both func(in, out []model.Value)

func (b both) Predict(_ context.Context, in, out []model.Value) error {
	b(in, out)
	return nil
}
