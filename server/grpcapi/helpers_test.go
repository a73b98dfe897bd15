package grpcapi

import (
	"context"

	"rollproof/model"
	pb "rollproof/server/inferencepb"
)

// predictor is a model's compute as a function.
type predictor func(ctx context.Context, in, out []model.Value) error

func (p predictor) Predict(ctx context.Context, in, out []model.Value) error { return p(ctx, in, out) }

// sums takes FP32 [n 2] and gives the sign of each row's sum, and the row again.
func sums(version string) *model.Model {
	return &model.Model{Name: "m", Version: version, Artifact: model.Artifact{
		Format:  "test_v1",
		Inputs:  []model.Tensor{{Name: "X", Datatype: model.FP32, Shape: []int64{model.Any, 2}}},
		Outputs: []model.Tensor{{Name: "label", Datatype: model.Int64, Shape: []int64{model.Any}}, {Name: "p", Datatype: model.FP32, Shape: []int64{model.Any, 2}}},
		Summary: model.Summary{Producer: "test", Trees: 3},
		Predictor: predictor(func(_ context.Context, in, out []model.Value) error {
			rows := in[0].Shape[0]
			out[0].Reset(model.Int64, rows)
			out[1].Reset(model.FP32, rows, 2)
			copy(out[1].Floats, in[0].Floats)
			for i := range out[0].Ints {
				out[0].Ints[i] = 0
				if in[0].Floats[2*i]+in[0].Floats[2*i+1] > 0 {
					out[0].Ints[i] = 1
				}
			}
			return nil
		}),
	}}
}

// datatypes are all.
var datatypes = []model.Datatype{
	model.Bool, model.Uint8, model.Uint16, model.Uint32, model.Uint64, model.Int8, model.Int16, model.Int32, model.Int64,
	model.FP16, model.BF16, model.FP32, model.FP64, model.Bytes,
}

// echo takes and gives tensors of the given datatypes, of any rows and columns.
func echo(name string, list ...model.Datatype) *model.Model {
	m := &model.Model{Name: name, Version: "1", Artifact: model.Artifact{Format: "test_v1"}}
	for _, d := range list {
		m.Inputs = append(m.Inputs, model.Tensor{Name: "in_" + string(d), Datatype: d, Shape: []int64{model.Any, model.Any}})
		m.Outputs = append(m.Outputs, model.Tensor{Name: "out_" + string(d), Datatype: d, Shape: []int64{model.Any, model.Any}})
	}
	m.Predictor = predictor(func(_ context.Context, in, out []model.Value) error {
		for i := range in {
			out[i].Reset(in[i].Datatype, in[i].Shape...)
			copy(out[i].Floats, in[i].Floats)
			copy(out[i].Doubles, in[i].Doubles)
			copy(out[i].Ints, in[i].Ints)
			copy(out[i].Texts, in[i].Texts)
		}
		return nil
	})
	return m
}

// floats is an input X of FP32 rows of two.
func floats(values ...float32) *pb.ModelInferRequest {
	return &pb.ModelInferRequest{ModelName: "m", Inputs: []*pb.ModelInferRequest_InferInputTensor{{
		Name: "X", Datatype: "FP32", Shape: []int64{int64(len(values) / 2), 2},
		Contents: &pb.InferTensorContents{Fp32Contents: values},
	}}}
}
