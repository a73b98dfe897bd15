package grpcapi

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"rollproof/model"
	pb "rollproof/server/inferencepb"
)

// sample is four elements of a datatype in both forms that the protocol has.
type sample struct {
	datatype model.Datatype
	// typed is nil for datatypes that have raw contents alone.
	typed *pb.InferTensorContents
	raw   []byte
}

// little is numbers in little-endian order.
func little(t *testing.T, numbers any) []byte {
	t.Helper()
	raw, err := binary.Append(nil, binary.LittleEndian, numbers)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// prefixed is texts, each behind its length.
func prefixed(texts ...string) []byte {
	var raw []byte
	for _, text := range texts {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(text)))
		raw = append(raw, text...)
	}
	return raw
}

// samples has the ends of each datatype's range.
func samples(t *testing.T) []sample {
	t.Helper()
	singles := []float32{0.1, float32(math.Copysign(0, -1)), math.MaxFloat32, math.SmallestNonzeroFloat32}
	doubles := []float64{0.1, math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}
	return []sample{
		{model.Bool, &pb.InferTensorContents{BoolContents: []bool{true, false, true, true}}, []byte{1, 0, 1, 1}},
		{model.Uint8, &pb.InferTensorContents{UintContents: []uint32{0, 1, 128, math.MaxUint8}}, []byte{0, 1, 128, 255}},
		{model.Uint16, &pb.InferTensorContents{UintContents: []uint32{0, 1, 0x1234, math.MaxUint16}}, little(t, []uint16{0, 1, 0x1234, math.MaxUint16})},
		{model.Uint32, &pb.InferTensorContents{UintContents: []uint32{0, 1, 0x12345678, math.MaxUint32}}, little(t, []uint32{0, 1, 0x12345678, math.MaxUint32})},
		{model.Uint64, &pb.InferTensorContents{Uint64Contents: []uint64{0, 1, 1 << 63, math.MaxUint64}}, little(t, []uint64{0, 1, 1 << 63, math.MaxUint64})},
		{model.Int8, &pb.InferTensorContents{IntContents: []int32{math.MinInt8, -1, 0, math.MaxInt8}}, little(t, []int8{math.MinInt8, -1, 0, math.MaxInt8})},
		{model.Int16, &pb.InferTensorContents{IntContents: []int32{math.MinInt16, -1, 0, math.MaxInt16}}, little(t, []int16{math.MinInt16, -1, 0, math.MaxInt16})},
		{model.Int32, &pb.InferTensorContents{IntContents: []int32{math.MinInt32, -1, 0, math.MaxInt32}}, little(t, []int32{math.MinInt32, -1, 0, math.MaxInt32})},
		{model.Int64, &pb.InferTensorContents{Int64Contents: []int64{math.MinInt64, -1, 0, math.MaxInt64}}, little(t, []int64{math.MinInt64, -1, 0, math.MaxInt64})},
		{model.FP16, nil, little(t, []uint16{0x3c00, 0x8000, 0x7bff, 0x0001})},
		{model.BF16, nil, little(t, []uint16{0x3f80, 0x8000, 0x7f7f, 0x0080})},
		{model.FP32, &pb.InferTensorContents{Fp32Contents: singles}, little(t, singles)},
		{model.FP64, &pb.InferTensorContents{Fp64Contents: doubles}, little(t, doubles)},
		{model.Bytes, &pb.InferTensorContents{BytesContents: [][]byte{{}, []byte("a"), {0xff, 0}, []byte("grün")}}, prefixed("", "a", "\xff\x00", "grün")},
	}
}

// input is one input of the echo model of its datatype.
func (s sample) input() *pb.ModelInferRequest_InferInputTensor {
	return &pb.ModelInferRequest_InferInputTensor{Name: "in_" + string(s.datatype), Datatype: string(s.datatype), Shape: []int64{2, 2}}
}

// output is what comes back of it.
func (s sample) output() *pb.ModelInferResponse_InferOutputTensor {
	return &pb.ModelInferResponse_InferOutputTensor{Name: "out_" + string(s.datatype), Datatype: string(s.datatype), Shape: []int64{2, 2}}
}

func TestEveryDatatypeTypedAndRaw(t *testing.T) {
	t.Parallel()
	all := samples(t)
	if len(all) != len(datatypes) {
		t.Fatalf("%d samples, want one of each of %v", len(all), datatypes)
	}
	models := []*model.Model{echo("all", datatypes...)}
	for _, s := range all {
		models = append(models, echo(string(s.datatype), s.datatype))
	}
	r := start(t, func(c *Config) { c.Service = serviceOf(models...) })
	ask := func(t *testing.T, request *pb.ModelInferRequest, want *pb.ModelInferResponse) {
		t.Helper()
		want.ModelName, want.ModelVersion = request.GetModelName(), "1"
		got, err := r.client.ModelInfer(t.Context(), request)
		if d := cmp.Diff(want, got, protocmp.Transform()); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
	}
	together, back := &pb.ModelInferRequest{ModelName: "all"}, &pb.ModelInferResponse{}
	for _, s := range all {
		together.Inputs = append(together.Inputs, s.input())
		together.RawInputContents = append(together.RawInputContents, s.raw)
		back.Outputs = append(back.Outputs, s.output())
		back.RawOutputContents = append(back.RawOutputContents, s.raw)
	}
	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		ask(t, together, back)
	})
	for _, s := range all {
		t.Run(string(s.datatype)+" raw", func(t *testing.T) {
			t.Parallel()
			ask(t, &pb.ModelInferRequest{
				ModelName: string(s.datatype), Inputs: []*pb.ModelInferRequest_InferInputTensor{s.input()}, RawInputContents: [][]byte{s.raw},
			}, &pb.ModelInferResponse{Outputs: []*pb.ModelInferResponse_InferOutputTensor{s.output()}, RawOutputContents: [][]byte{s.raw}})
		})
		if s.typed == nil {
			continue
		}
		t.Run(string(s.datatype)+" typed", func(t *testing.T) {
			t.Parallel()
			in, out := s.input(), s.output()
			in.Contents, out.Contents = s.typed, s.typed
			ask(t, &pb.ModelInferRequest{ModelName: string(s.datatype), Inputs: []*pb.ModelInferRequest_InferInputTensor{in}},
				&pb.ModelInferResponse{Outputs: []*pb.ModelInferResponse_InferOutputTensor{out}})
		})
	}
}

// TestHalfOutputsAreRaw: a datatype without typed contents makes the whole answer raw,
// also where the question was typed.
func TestHalfOutputsAreRaw(t *testing.T) {
	t.Parallel()
	m := echo("half", model.FP32)
	m.Outputs = append(m.Outputs, model.Tensor{Name: "half", Datatype: model.FP16, Shape: []int64{model.Any, model.Any}})
	m.Predictor = predictor(func(_ context.Context, in, out []model.Value) error {
		for i, d := range []model.Datatype{model.FP32, model.FP16} {
			out[i].Reset(d, in[0].Shape...)
			copy(out[i].Floats, in[0].Floats)
		}
		return nil
	})
	r := start(t, func(c *Config) { c.Service = serviceOf(m) })
	request := &pb.ModelInferRequest{ModelName: "half", Inputs: []*pb.ModelInferRequest_InferInputTensor{{
		Name: "in_FP32", Datatype: "FP32", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{Fp32Contents: []float32{1, -2}},
	}}}
	got, err := r.client.ModelInfer(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]byte{little(t, []float32{1, -2}), little(t, []uint16{0x3c00, 0xc000})}, got.GetRawOutputContents()); d != "" {
		t.Errorf("raw (-want +got):\n%s", d)
	}
	request.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "out_FP32"}}
	if got, err = r.client.ModelInfer(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float32{1, -2}, got.GetOutputs()[0].GetContents().GetFp32Contents()); d != "" || len(got.GetRawOutputContents()) > 0 {
		t.Errorf("without the half output: %d raw, typed (-want +got):\n%s", len(got.GetRawOutputContents()), d)
	}
}

func TestInfer(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	parameters := map[string]*pb.InferParameter{
		"a": {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
		"b": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -1}},
		"c": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "x"}},
		"d": {ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: 0.5}},
		"e": {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: math.MaxUint64}},
		"f": {},
	}
	label := &pb.ModelInferResponse_InferOutputTensor{
		Name: "label", Datatype: "INT64", Shape: []int64{2}, Contents: &pb.InferTensorContents{Int64Contents: []int64{1, 0}},
	}
	p := &pb.ModelInferResponse_InferOutputTensor{
		Name: "p", Datatype: "FP32", Shape: []int64{2, 2}, Contents: &pb.InferTensorContents{Fp32Contents: []float32{1, 0.5, -1, 0.25}},
	}
	wanted := func(names ...string) (list []*pb.ModelInferRequest_InferRequestedOutputTensor) {
		for _, name := range names {
			list = append(list, &pb.ModelInferRequest_InferRequestedOutputTensor{Name: name})
		}
		return list
	}
	for _, test := range []struct {
		name    string
		change  func(*pb.ModelInferRequest)
		version string
		id      string
		outputs []*pb.ModelInferResponse_InferOutputTensor
	}{
		{"as it is", func(*pb.ModelInferRequest) {}, "2", "", []*pb.ModelInferResponse_InferOutputTensor{label, p}},
		{"an id", func(r *pb.ModelInferRequest) { r.Id = "request \"7\" ü" }, "2", "request \"7\" ü", []*pb.ModelInferResponse_InferOutputTensor{label, p}},
		{"a version", func(r *pb.ModelInferRequest) { r.ModelVersion = "1" }, "1", "", []*pb.ModelInferResponse_InferOutputTensor{label, p}},
		{"one output", func(r *pb.ModelInferRequest) { r.Outputs = wanted("p") }, "2", "", []*pb.ModelInferResponse_InferOutputTensor{p}},
		{"outputs in another order", func(r *pb.ModelInferRequest) { r.Outputs = wanted("p", "label") }, "2", "", []*pb.ModelInferResponse_InferOutputTensor{label, p}},
		{"parameters", func(r *pb.ModelInferRequest) {
			r.Outputs = wanted("label")
			r.Parameters, r.Inputs[0].Parameters, r.Outputs[0].Parameters = parameters, parameters, parameters
		}, "2", "", []*pb.ModelInferResponse_InferOutputTensor{label}},
		{"empty contents beside raw", func(r *pb.ModelInferRequest) {
			r.Inputs[0].Contents = &pb.InferTensorContents{}
			r.RawInputContents = [][]byte{little(t, []float32{1, 0.5, -1, 0.25})}
			r.Outputs = wanted("label")
		}, "2", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := floats(1, 0.5, -1, 0.25)
			test.change(request)
			want := &pb.ModelInferResponse{ModelName: "m", ModelVersion: test.version, Id: test.id, Outputs: test.outputs}
			if test.outputs == nil { // raw, of label alone
				raw := proto.CloneOf(label)
				raw.Contents = nil
				want.Outputs = []*pb.ModelInferResponse_InferOutputTensor{raw}
				want.RawOutputContents = [][]byte{little(t, []int64{1, 0})}
			}
			got, err := r.client.ModelInfer(t.Context(), request)
			if d := cmp.Diff(want, got, protocmp.Transform()); d != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
		})
	}
}

// TestMemoryIsNotShared: a request's memory is used again by later ones, and an answer
// that is on its way must not change with it.
func TestMemoryIsNotShared(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Service = serviceOf(echo("all", model.Bytes)) })
	failed := make(chan string, 8)
	for i := range 8 {
		go func() {
			text := strings.Repeat(string(rune('a'+i)), 1+i*500)
			request := &pb.ModelInferRequest{ModelName: "all", Id: text[:1], Inputs: []*pb.ModelInferRequest_InferInputTensor{{
				Name: "in_BYTES", Datatype: "BYTES", Shape: []int64{1, 1}, Contents: &pb.InferTensorContents{BytesContents: [][]byte{[]byte(text)}},
			}}}
			for range 100 {
				got, err := r.client.ModelInfer(t.Context(), request)
				if err != nil || got.GetId() != text[:1] || string(got.GetOutputs()[0].GetContents().GetBytesContents()[0]) != text {
					failed <- "asked for " + text[:1] + ", got another's answer or " + got.String()
					return
				}
			}
			failed <- ""
		}()
	}
	for range 8 {
		if f := <-failed; f != "" {
			t.Error(f)
		}
	}
}
