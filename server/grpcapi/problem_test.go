package grpcapi

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"rollproof/model"
	pb "rollproof/server/inferencepb"
	"rollproof/server/repository"
)

// wantProblem fails unless the error has the code, the reason and the path, in its
// details as in its sentence. It returns when to try again, 0 if that is not said.
func wantProblem(t *testing.T, err error, code codes.Code, reason, path string) time.Duration {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code {
		t.Errorf("%v, want code %s", err, code)
	}
	var retry time.Duration
	gotReason, gotPath := "", ""
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			gotReason = d.GetReason()
			if d.GetDomain() != "rollproof" {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				gotPath = v.GetField()
				if v.GetReason() != reason || s.Message() != v.GetField()+": "+v.GetDescription() {
					t.Errorf("violation %v of %q", v, s.Message())
				}
			}
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration()
		default:
			t.Errorf("detail %v", detail)
		}
	}
	if gotReason != reason || gotPath != path {
		t.Errorf("%v: reason %q at %q, want %q at %q", err, gotReason, gotPath, reason, path)
	}
	return retry
}

// bytesCodec sends a message's bytes as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	return nil, errors.New("not bytes")
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if raw, ok := v.(*[]byte); ok {
		*raw = data.Materialize()
		return nil
	}
	return errors.New("not bytes")
}

func (bytesCodec) Name() string { return "proto" }

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) {
		c.Service = serviceOf(sums("1"), echo("two", model.Int8, model.Bytes), echo("half", model.FP16), echo("bit", model.Bool))
	})
	two := func(change func(first, second *pb.ModelInferRequest_InferInputTensor)) func(*pb.ModelInferRequest) {
		return func(r *pb.ModelInferRequest) {
			r.ModelName, r.Inputs = "two", nil
			for _, d := range []model.Datatype{model.Int8, model.Bytes} {
				r.Inputs = append(r.Inputs, &pb.ModelInferRequest_InferInputTensor{
					Name: "in_" + string(d), Datatype: string(d), Shape: []int64{1, 1}, Contents: &pb.InferTensorContents{},
				})
			}
			r.Inputs[0].Contents.IntContents = []int32{1}
			r.Inputs[1].Contents.BytesContents = [][]byte{nil}
			change(r.Inputs[0], r.Inputs[1])
		}
	}
	raw := func(data ...[]byte) func(*pb.ModelInferRequest) {
		return func(r *pb.ModelInferRequest) { r.Inputs[0].Contents, r.RawInputContents = nil, data }
	}
	texts := func(data []byte) func(*pb.ModelInferRequest) {
		return func(r *pb.ModelInferRequest) {
			two(func(first, second *pb.ModelInferRequest_InferInputTensor) { first.Contents, second.Contents = nil, nil })(r)
			r.RawInputContents = [][]byte{{1}, data}
		}
	}
	tests := []struct {
		name         string
		change       func(*pb.ModelInferRequest)
		code         codes.Code
		reason, path string
		says         string
	}{
		{"another model", func(r *pb.ModelInferRequest) { r.ModelName = "n" }, codes.NotFound, reasonModelNotFound, "model_name", `the models are ["bit" "half" "m" "two"]`},
		{"no model", func(r *pb.ModelInferRequest) { r.ModelName = "" }, codes.NotFound, reasonModelNotFound, "model_name", `model ""`},
		{"another version", func(r *pb.ModelInferRequest) { r.ModelVersion = "3" }, codes.NotFound, reasonModelNotFound, "model_name", `the versions are ["1"]`},
		{"no input", func(r *pb.ModelInferRequest) { r.Inputs = nil }, codes.InvalidArgument, reasonMissingInput, "inputs", `no input "X"`},
		{"another input", func(r *pb.ModelInferRequest) { r.Inputs[0].Name = "Y" }, codes.InvalidArgument, reasonUnknownInput, "inputs[0].name", `no input "Y", want one of ["X"]`},
		{"an input twice", func(r *pb.ModelInferRequest) { r.Inputs = append(r.Inputs, r.Inputs[0]) }, codes.InvalidArgument, reasonDuplicateInput, "inputs[1].name", "given twice"},
		{"another datatype", func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "FP64" }, codes.InvalidArgument, reasonDatatypeMismatch, "inputs[0].datatype", `"FP64", want "FP32"`},
		{"another rank", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{2} }, codes.InvalidArgument, reasonShapeMismatch, "inputs[0].shape", "[2], want [n 2] with n of 1 or more"},
		{"another width", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 3} }, codes.InvalidArgument, reasonShapeMismatch, "inputs[0].shape", "[1 3], want [n 2]"},
		{"no rows", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{0, 2} }, codes.InvalidArgument, reasonShapeMismatch, "inputs[0].shape", "[0 2], want [n 2]"},
		{"rows below zero", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{-1, 2} }, codes.InvalidArgument, reasonShapeMismatch, "inputs[0].shape", "[-1 2], want [n 2]"},
		{"a shape of a thousand dimensions", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = make([]int64, 1000) }, codes.InvalidArgument, reasonShapeMismatch, "inputs[0].shape", "and 984 more dimensions, want"},
		{"more elements than there can be", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1 << 62, 2} }, codes.InvalidArgument, reasonShapeMismatch, "inputs[0].shape", "more elements than a message of 1048576 bytes can hold"},
		{"too many rows", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape[0] = 5 }, codes.InvalidArgument, reasonTooManyRows, "inputs[0].shape[0]", "5 rows, want at most 4"},
		{"rows that differ", two(func(_, second *pb.ModelInferRequest_InferInputTensor) { second.Shape[0] = 2 }), codes.InvalidArgument, reasonShapeMismatch, "inputs[1].shape[0]", "2 rows, want 1"},
		{"too few elements", func(r *pb.ModelInferRequest) { r.Inputs[0].Shape[0] = 2 }, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents.fp32_contents", "2 elements, want 4"},
		{"too many elements", func(r *pb.ModelInferRequest) {
			r.Inputs[0].Contents.Fp32Contents = make([]float32, 3)
		}, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents.fp32_contents", "3 elements, want 2"},
		{"no contents", func(r *pb.ModelInferRequest) { r.Inputs[0].Contents = nil }, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents.fp32_contents", "0 elements, want 2"},
		{"contents of another type", func(r *pb.ModelInferRequest) {
			r.Inputs[0].Contents = &pb.InferTensorContents{Fp64Contents: []float64{1, 2}}
		}, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents.fp64_contents", "given for datatype FP32, want fp32_contents"},
		{"typed contents of a half", func(r *pb.ModelInferRequest) {
			r.ModelName, r.Inputs[0].Name, r.Inputs[0].Datatype = "half", "in_FP16", "FP16"
		}, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents.fp32_contents", "want raw_input_contents"},
		{"no contents of a half", func(r *pb.ModelInferRequest) {
			r.ModelName, r.Inputs[0].Name, r.Inputs[0].Datatype, r.Inputs[0].Contents = "half", "in_FP16", "FP16", nil
		}, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents", "FP16 has no typed contents"},
		{"an integer out of bounds", two(func(first, _ *pb.ModelInferRequest_InferInputTensor) {
			first.Contents.IntContents[0] = 128
		}), codes.InvalidArgument, reasonInvalidValue, "inputs[0].contents.int_contents[0]", "outside INT8, want -128 to 127"},
		{"raw and typed", func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{make([]byte, 8)} }, codes.InvalidArgument, reasonContentsMismatch, "inputs[0].contents", "given beside raw_input_contents"},
		{"raw of another count", raw(make([]byte, 8), make([]byte, 8)), codes.InvalidArgument, reasonContentsMismatch, "raw_input_contents", "2 elements, want 1"},
		{"raw of another length", raw(make([]byte, 7)), codes.InvalidArgument, reasonContentsMismatch, "raw_input_contents[0]", "7 bytes, want 8: 2 elements of FP32"},
		{"a raw BOOL of 2", func(r *pb.ModelInferRequest) {
			r.ModelName, r.Inputs[0].Name, r.Inputs[0].Datatype, r.Inputs[0].Contents = "bit", "in_BOOL", "BOOL", nil
			r.RawInputContents = [][]byte{{1, 2}}
		}, codes.InvalidArgument, reasonInvalidValue, "raw_input_contents[0][1]", "byte 2 for a BOOL"},
		{"raw texts without a length", texts([]byte{1, 0}), codes.InvalidArgument, reasonContentsMismatch, "raw_input_contents[1]", "2 bytes, want 1 elements of BYTES"},
		{"a raw text cut", texts([]byte{2, 0, 0, 0, 'a'}), codes.InvalidArgument, reasonContentsMismatch, "raw_input_contents[1]", "element 0 is 2 bytes long by its length, but 1 bytes follow"},
		{"bytes behind raw texts", texts([]byte{1, 0, 0, 0, 'a', 'b'}), codes.InvalidArgument, reasonContentsMismatch, "raw_input_contents[1]", "1 bytes behind the 1 elements"},
		{"another output", func(r *pb.ModelInferRequest) {
			r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "p"}, {Name: "q"}}
		}, codes.InvalidArgument, reasonUnknownOutput, "outputs[1].name", `no output "q", want one of ["label" "p"]`},
		{"an output twice", func(r *pb.ModelInferRequest) {
			r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "p"}, {Name: "p"}}
		}, codes.InvalidArgument, reasonDuplicateOutput, "outputs[1].name", "asked for twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := floats(1, 2)
			test.change(request)
			_, err := r.client.ModelInfer(t.Context(), request)
			wantProblem(t, err, test.code, test.reason, test.path)
			if !strings.Contains(status.Convert(err).Message(), test.says) {
				t.Errorf("%v, want %q in it", err, test.says)
			}
		})
	}
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	good, err := proto.Marshal(floats(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string][]byte{
		"cut":                    good[:len(good)-1],
		"no message":             []byte("<!doctype html>"),
		"a name that is no text": append([]byte{0x0a, 1, 0xff}, good...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var answer []byte
			err := r.conn.Invoke(t.Context(), pb.GRPCInferenceService_ModelInfer_FullMethodName, message, &answer, grpc.ForceCodecV2(bytesCodec{}))
			wantProblem(t, err, codes.InvalidArgument, reasonInvalidMessage, "")
			// What has no message of its own is read by the generated code.
			err = r.conn.Invoke(t.Context(), pb.GRPCInferenceService_ModelMetadata_FullMethodName, []byte{0x0a, 9}, &answer, grpc.ForceCodecV2(bytesCodec{}))
			wantProblem(t, err, codes.InvalidArgument, reasonInvalidMessage, "")
		})
	}
}

func TestModelsThatAreNotThere(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(filepath.Join("..", "..", "model", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for version, data := range map[string][]byte{"1": good, "2": []byte("no model")} {
		if err := os.MkdirAll(filepath.Join(folder, "b", version), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "b", version, "model.onnx"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	models, err := repository.Open(t.Context(), repository.Options{Folder: folder, Tolerant: true})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Service.Models = models })
	ctx := t.Context()
	for _, test := range []struct {
		name, version string
		code          codes.Code
		reason, path  string
		says          string
	}{
		{"b", "2", codes.Unavailable, reasonModelNotReady, "", "b/2/model.onnx"},
		{"b", "3", codes.NotFound, reasonModelNotFound, "name", `the versions are ["1"]`},
		{"c", "", codes.NotFound, reasonModelNotFound, "name", `the models are ["b"]`},
	} {
		_, err := r.client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: test.name, Version: test.version})
		wantProblem(t, err, test.code, test.reason, test.path)
		if !strings.Contains(status.Convert(err).Message(), test.says) {
			t.Errorf("%v, want %q in it", err, test.says)
		}
		ready, err := r.client.ModelReady(ctx, &pb.ModelReadyRequest{Name: test.name, Version: test.version})
		if test.code == codes.Unavailable {
			if err != nil || ready.GetReady() {
				t.Errorf("ready of a version whose file was refused: %v, %v", ready, err)
			}
			continue
		}
		wantProblem(t, err, test.code, test.reason, test.path)
	}
	ready, err := r.client.ModelReady(ctx, &pb.ModelReadyRequest{Name: "b"})
	if err != nil || !ready.GetReady() {
		t.Errorf("ready of the model whose other version was refused: %v, %v", ready, err)
	}
	_, err = r.client.ModelInfer(ctx, &pb.ModelInferRequest{ModelName: "b", ModelVersion: "2"})
	wantProblem(t, err, codes.Unavailable, reasonModelNotReady, "")
}

func TestFailedPredictions(t *testing.T) {
	t.Parallel()
	failing := func(err error) *model.Model {
		m := sums("1")
		m.Predictor = predictor(func(context.Context, []model.Value, []model.Value) error { return err })
		return m
	}
	for name, test := range map[string]struct {
		err          error
		code         codes.Code
		reason, path string
	}{
		"the model's own error": {errors.New("out of leaves"), codes.Internal, reasonInternal, ""},
		"an input's error":      {model.ErrInput, codes.InvalidArgument, reasonInvalidValue, "inputs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *Config) { c.Service = serviceOf(failing(test.err)) })
			_, err := r.client.ModelInfer(t.Context(), floats(1, 2))
			wantProblem(t, err, test.code, test.reason, test.path)
			if !strings.Contains(status.Convert(err).Message(), test.err.Error()) {
				t.Errorf("%v, want %q in it", err, test.err)
			}
		})
	}
}
