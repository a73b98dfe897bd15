package conformance

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"rollproof/server/access/accesstest"
)

// statusOffset is what grpcurl adds to a status for its exit code.
const statusOffset = 64

// answer is what a client printed and how it ended.
type answer struct {
	out, err string
	code     int
}

// call runs a client to its end; in is its standard input.
func call(t *testing.T, in string, path string, args ...string) answer {
	t.Helper()
	command := exec.CommandContext(t.Context(), path, args...)
	var out, failed bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(in), &out, &failed
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", path, err)
	}
	return answer{out.String(), failed.String(), command.ProcessState.ExitCode()}
}

// grpcurl is the client for one server.
type grpcurl struct {
	path, address string
	flags         []string
}

func newGRPCurl(t *testing.T, s *server, flags ...string) *grpcurl {
	t.Helper()
	if len(flags) == 0 {
		flags = []string{"-plaintext"}
	}
	return &grpcurl{program(t, clientsFolder, "grpcurl"), s.grpc, slices.Concat(flags, []string{"-max-time", "20"})}
}

// invoke calls a method of a service with a request as JSON.
func (g *grpcurl) invoke(t *testing.T, method, request string) answer {
	t.Helper()
	return call(t, request, g.path, slices.Concat(g.flags, []string{"-d", "@", g.address, method})...)
}

// ask invokes a method, which must be answered, and reads the answer into v.
func (g *grpcurl) ask(t *testing.T, method, request string, v any) {
	t.Helper()
	a := g.invoke(t, method, request)
	if a.code != 0 {
		t.Fatalf("%s: exit code %d\n%s", method, a.code, a.err)
	}
	if err := json.Unmarshal([]byte(a.out), v); err != nil {
		t.Fatalf("%s: %v\n%s", method, err, a.out)
	}
}

// startGRPC is a server of both shipped versions that speaks gRPC.
func startGRPC(t *testing.T, args ...string) *server {
	t.Helper()
	return startServer(t, "", append([]string{"--models", modelsFolder(t, "1", "2"), "--grpc-listen", "127.0.0.1:0"}, args...)...)
}

const service = "inference.GRPCInferenceService"

func TestGRPCurlReflection(t *testing.T) {
	t.Parallel()
	g := newGRPCurl(t, startGRPC(t))
	list := call(t, "", g.path, slices.Concat(g.flags, []string{g.address, "list"})...)
	want := "grpc.health.v1.Health\ngrpc.reflection.v1.ServerReflection\ngrpc.reflection.v1alpha.ServerReflection\n" + service + "\n"
	if d := cmp.Diff(want, list.out); d != "" {
		t.Errorf("list (-want +got):\n%s%s", d, list.err)
	}
	described := call(t, "", g.path, slices.Concat(g.flags, []string{g.address, "describe", service})...)
	for _, method := range []string{"ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"} {
		want := "rpc " + method + " ( .inference." + method + "Request ) returns ( .inference." + method + "Response );"
		if !strings.Contains(described.out, want) {
			t.Errorf("described is\n%s%s\nwant %s in it", described.out, described.err, want)
		}
	}
	message := call(t, "", g.path, slices.Concat(g.flags, []string{g.address, "describe", ".inference.ModelInferRequest"})...)
	if !strings.Contains(message.out, "repeated bytes raw_input_contents = 7;") {
		t.Errorf("described is\n%s%s", message.out, message.err)
	}
}

func TestGRPCurlAsks(t *testing.T) {
	t.Parallel()
	g := newGRPCurl(t, startGRPC(t))
	for _, test := range []struct{ method, request, want string }{
		{"grpc.health.v1.Health/Check", `{}`, `{"status":"SERVING"}`},
		{"grpc.health.v1.Health/Check", `{"service":"breastcancer/1"}`, `{"status":"SERVING"}`},
		{service + "/ServerLive", `{}`, `{"live":true}`},
		{service + "/ServerReady", `{}`, `{"ready":true}`},
		{service + "/ModelReady", `{"name":"breastcancer","version":"2"}`, `{"ready":true}`},
		{service + "/ServerMetadata", `{}`, `{"name":"rollproof","version":"devel"}`},
		{service + "/ModelMetadata", `{"name":"breastcancer"}`, `{
			"name":"breastcancer","versions":["1","2"],"platform":"onnx_onnxv1",
			"inputs":[{"name":"X","datatype":"FP32","shape":["-1","30"]}],
			"outputs":[{"name":"label","datatype":"INT64","shape":["-1"]},{"name":"probabilities","datatype":"FP32","shape":["-1","2"]}]}`},
	} {
		var got, want map[string]any
		g.ask(t, test.method, test.request, &got)
		if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		delete(got, "properties") // the file's own words
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.method, test.request, d)
		}
	}
}

// inferred is a ModelInferResponse as grpcurl prints one.
type inferred struct {
	ModelName    string `json:"modelName"`
	ModelVersion string `json:"modelVersion"`
	ID           string `json:"id"`
	Outputs      []struct {
		Name     string   `json:"name"`
		Datatype string   `json:"datatype"`
		Shape    []string `json:"shape"`
		Contents struct {
			Int64 []json.Number `json:"int64Contents"` // which JSON has as text
			FP32  []float32     `json:"fp32Contents"`
		} `json:"contents"`
	} `json:"outputs"`
	Raw []string `json:"rawOutputContents"`
}

// predictions are the labels and the probabilities of an answer in either form.
func (i *inferred) predictions(t *testing.T) (labels []int64, probabilities []float32) {
	t.Helper()
	if len(i.Outputs) != 2 || i.Outputs[0].Name != "label" || i.Outputs[1].Name != "probabilities" {
		t.Fatalf("outputs %+v", i.Outputs)
	}
	if len(i.Raw) == 0 {
		for _, n := range i.Outputs[0].Contents.Int64 {
			label, err := n.Int64()
			if err != nil {
				t.Fatal(err)
			}
			labels = append(labels, label)
		}
		return labels, i.Outputs[1].Contents.FP32
	}
	var raw [][]byte
	for _, text := range i.Raw {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, data)
	}
	labels, probabilities = make([]int64, len(raw[0])/8), make([]float32, len(raw[1])/4)
	for at, into := range []any{labels, probabilities} {
		if _, err := binary.Decode(raw[at], binary.LittleEndian, into); err != nil {
			t.Fatal(err)
		}
	}
	return labels, probabilities
}

// inferRequest is a request for predictions of rows, as JSON.
func inferRequest(t *testing.T, version string, rows [][]float32, raw bool) string {
	t.Helper()
	var flat []float32
	for _, row := range rows {
		flat = append(flat, row...)
	}
	input := map[string]any{"name": "X", "datatype": "FP32", "shape": []int{len(rows), 30}}
	request := map[string]any{"model_name": "breastcancer", "model_version": version, "id": "7", "inputs": []any{input}}
	if raw {
		data, err := binary.Append(nil, binary.LittleEndian, flat)
		if err != nil {
			t.Fatal(err)
		}
		request["raw_input_contents"] = [][]byte{data} // JSON has bytes as base64, as protobuf's JSON does
	} else {
		input["contents"] = map[string]any{"fp32_contents": flat}
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGRPCurlPredicts(t *testing.T) {
	t.Parallel()
	g := newGRPCurl(t, startGRPC(t))
	golden := readGoldens(t)
	for version, expected := range golden.Expected {
		for form, raw := range map[string]bool{"typed": false, "raw": true} {
			var got inferred
			g.ask(t, service+"/ModelInfer", inferRequest(t, version, golden.Rows, raw), &got)
			labels, probabilities := got.predictions(t)
			if got.ModelName != "breastcancer" || got.ModelVersion != version || got.ID != "7" || raw != (len(got.Raw) > 0) {
				t.Errorf("version %s %s: answered by %s version %s, id %q, %d raw", version, form, got.ModelName, got.ModelVersion, got.ID, len(got.Raw))
			}
			if d := cmp.Diff(expected.Label, labels); d != "" {
				t.Errorf("version %s %s: labels (-want +got):\n%s", version, form, d)
			}
			if len(probabilities) != 2*len(golden.Rows) {
				t.Fatalf("version %s %s: %d probabilities, want %d", version, form, len(probabilities), 2*len(golden.Rows))
			}
			for i, got := range probabilities {
				if want := expected.Probabilities[i/2][i%2]; math.Abs(float64(got)-want) > 1e-6 {
					t.Errorf("version %s %s row %d: %v, want %v", version, form, i/2, got, want)
				}
			}
		}
	}
}

func TestGRPCurlIsRefused(t *testing.T) {
	t.Parallel()
	g := newGRPCurl(t, startGRPC(t, "--max-rows", "10", "--max-body-bytes", "10000"))
	row := readGoldens(t).Rows[:1]
	good := inferRequest(t, "", row, false)
	large := inferRequest(t, "", readGoldens(t).Rows[:100], false)
	for name, test := range map[string]struct {
		method, request string
		code            codes.Code
		says            []string
	}{
		"another model":    {"ModelInfer", `{"model_name":"other"}`, codes.NotFound, []string{`model_name: model "other": not found: the models are ["breastcancer"]`, `"reason": "MODEL_NOT_FOUND"`}},
		"another version":  {"ModelMetadata", `{"name":"breastcancer","version":"3"}`, codes.NotFound, []string{`the versions are ["1" "2"]`}},
		"another datatype": {"ModelInfer", strings.Replace(good, "FP32", "FP64", 1), codes.InvalidArgument, []string{`inputs[0].datatype: "FP64", want "FP32"`, `"reason": "DATATYPE_MISMATCH"`, `"field": "inputs[0].datatype"`}},
		"another shape":    {"ModelInfer", strings.Replace(good, "[1,30]", "[30,1]", 1), codes.InvalidArgument, []string{"inputs[0].shape: [30 1], want [n 30]", `"reason": "SHAPE_MISMATCH"`}},
		"too many rows":    {"ModelInfer", inferRequest(t, "", readGoldens(t).Rows[:11], true), codes.InvalidArgument, []string{"11 rows, want at most 10", `"reason": "TOO_MANY_ROWS"`}},
		"too many bytes":   {"ModelInfer", large, codes.ResourceExhausted, []string{"10000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := g.invoke(t, service+"/"+test.method, test.request)
			if want := statusOffset + int(test.code); got.code != want {
				t.Errorf("exit code %d, want %d for %s", got.code, want, test.code)
			}
			for _, want := range test.says {
				if !strings.Contains(got.err, want) {
					t.Errorf("want %s in\n%s", want, got.err)
				}
			}
		})
	}
}

// TestGRPCurlWatchesTheDrain: whoever watches the health is told of SIGTERM, and that the
// server ends.
func TestGRPCurlWatchesTheDrain(t *testing.T) {
	t.Parallel()
	s := startGRPC(t, "--drain-delay", "1s")
	g := newGRPCurl(t, s)
	watch := exec.CommandContext(t.Context(), g.path, slices.Concat(g.flags, []string{g.address, "grpc.health.v1.Health/Watch"})...)
	var failed bytes.Buffer
	watch.Stderr = &failed
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	var states []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		_, state, ok := strings.Cut(lines.Text(), `"status": `)
		if !ok {
			continue
		}
		if states = append(states, state); len(states) == 1 {
			s.terminate(t)
		}
	}
	if d := cmp.Diff([]string{`"SERVING"`, `"NOT_SERVING"`}, states); d != "" {
		t.Errorf("states (-want +got):\n%s", d)
	}
	_ = watch.Wait() // its exit code is looked at
	if got, want := watch.ProcessState.ExitCode(), statusOffset+int(codes.Unavailable); got != want || !strings.Contains(failed.String(), "the server ends") {
		t.Errorf("the watch ended with exit code %d, want %d and why\n%s", got, want, failed.String())
	}
	s.drained(t, 15*time.Second)
}

// startSecure is a server that asks for client certificates and for a key.
func startSecure(t *testing.T) (s *server, authority *accesstest.Authority, key string) {
	t.Helper()
	authority, key = accesstest.New(t), "a key of some length"
	authority.Issue(t, "server")
	authority.Issue(t, "client")
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startGRPC(t, "--tls-cert", authority.File("server"), "--tls-key", authority.File("server.key"),
		"--tls-client-ca", authority.File("ca"), "--api-keys", keys), authority, key
}

// TestGRPCurlOverTLS shows a certificate and a key where the server asks for both.
func TestGRPCurlOverTLS(t *testing.T) {
	t.Parallel()
	s, authority, key := startSecure(t)
	trust := []string{"-cacert", authority.File("ca")}
	shown := slices.Concat(trust, []string{"-cert", authority.File("client"), "-key", authority.File("client.key")})
	reflected := slices.Concat(shown, []string{"-reflect-header", "x-api-key: " + key}) // and the call has none
	request := inferRequest(t, "2", readGoldens(t).Rows[:1], false)
	for _, test := range []struct {
		name, method string
		flags        []string
		code         int
	}{
		{"certificate and key", service + "/ModelInfer", slices.Concat(shown, []string{"-H", "authorization: Bearer " + key}), 0},
		{"a key in x-api-key", service + "/ModelInfer", slices.Concat(shown, []string{"-H", "x-api-key: " + key}), 0},
		{"a probe without a key", service + "/ServerReady", reflected, 0},
		{"no key", service + "/ModelInfer", reflected, statusOffset + int(codes.Unauthenticated)},
		{"no certificate", service + "/ModelInfer", slices.Concat(trust, []string{"-H", "x-api-key: " + key}), 1},
		{"no TLS", service + "/ModelInfer", []string{"-plaintext", "-H", "x-api-key: " + key}, 1},
	} {
		in := request
		if test.method != service+"/ModelInfer" {
			in = "{}"
		}
		g := newGRPCurl(t, s, slices.Concat(test.flags, []string{"-connect-timeout", "2"})...)
		if got := g.invoke(t, test.method, in); got.code != test.code {
			t.Errorf("%s: exit code %d, want %d\n%s", test.name, got.code, test.code, got.err)
		}
	}
}
