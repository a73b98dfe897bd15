package api

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"rollproof/model"
)

// echo gives its inputs.
type echo struct{}

func (echo) Predict(_ context.Context, in, out []model.Value) error {
	for i := range in {
		v := &in[i]
		out[i].Reset(v.Datatype, v.Shape...)
		copy(out[i].Floats, v.Floats)
		copy(out[i].Doubles, v.Doubles)
		copy(out[i].Ints, v.Ints)
		copy(out[i].Texts, v.Texts)
	}
	return nil
}

func TestPlain(t *testing.T) {
	t.Parallel()
	one := modelOf(tensor("x", model.FP32, 2))
	columns := modelOf(tensor("age", model.FP32, 1), tensor("sex", model.Bytes, 1), tensor("flat", model.Int64))
	free := modelOf(tensor("f", model.FP64, model.Any, model.Any))
	tests := []struct {
		name       string
		m          *model.Model
		body, want string
	}{
		{"rows", one, `{"instances":[[1,2],[3,0.25]]}`, `{"predictions":[[1,2],[3,0.25]]}`},
		{"rows as objects", one, `{"instances":[{"x":[1,2]}]}`, `{"predictions":[[1,2]]}`},
		{"columns", one, `{"inputs":[[1,2]],"signature_name":"serving_default"}`, `{"outputs":[[1,2]]}`},
		{"column object", one, `{"inputs":{"x":[[1,2]]}}`, `{"outputs":[[1,2]]}`},
		{"several inputs", columns, `{"instances":[{"sex":"f","age":3,"flat":7},{"age":[4],"flat":8,"sex":["m"]}]}`,
			`{"predictions":[{"age":[3],"sex":["f"],"flat":7},{"age":[4],"sex":["m"],"flat":8}]}`},
		{"several columns", columns, `{"inputs":{"sex":[["f"]],"age":[3],"flat":[7]}}`, `{"outputs":{"age":[[3]],"sex":[["f"]],"flat":[7]}}`},
		{"sizes of the first row", free, `{"instances":[[[1,2],[3,4]],[[5,6],[7,8]]]}`, `{"predictions":[[[1,2],[3,4]],[[5,6],[7,8]]]}`},
		{"no columns", free, `{"instances":[[]]}`, `{"predictions":[[]]}`},
		{"missing values", one, `{"instances":[[1,null]],"parameters":{"missing":"null"}}`, `{"predictions":[[1,null]]}`},
		{"ragged", free, `{"instances":[[[1,2],[3,4]],[[5,6],[7]]]}`, "instances[1][1]: 1 values, want 2 as the shape says"},
		{"flat", one, `{"instances":[1,2]}`, "instances[0]: found a number at byte 14, want an array of 2 values"},
		{"too few columns", one, `{"instances":[[1]]}`, "instances[0]: 1 values, want 2 as the shape says"},
		{"too many columns", one, `{"instances":[[1,2,3]]}`, "instances[0]: more than 2 values"},
		{"a text", one, `{"instances":[[1,"2"]]}`, "instances[0][1]: found a string at byte 17, want a number"},
		{"null", one, `{"instances":[[1,null]]}`, "instances[0][1]: found null"},
		{"null deep", columns, `{"instances":[{"age":null}]}`, "instances[0].age: found null"},
		{"NaN", one, `{"instances":[[1,NaN]]}`, "instances[0][1]: found NaN"},
		{"no rows", one, `{"instances":[]}`, "instances: no rows, want 1 or more"},
		{"too many rows", one, `{"instances":[[1,2],[1,2],[1,2],[1,2],[1,2]]}`, "instances: 5 rows, want at most 4"},
		{"too many objects", one, `{"instances":[{"x":[1,2]},{"x":[1,2]},{"x":[1,2]},{"x":[1,2]},{"x":[1,2]}]}`, "instances[4]: 5 rows, want at most 4"},
		{"too many in columns", columns, `{"inputs":{"flat":[1,2,3,4,5]}}`, "inputs.flat: 5 rows, want at most 4"},
		{"rows without names", columns, `{"instances":[[1,2,3]]}`, `instances[0]: found an array at byte 13, want an object with the inputs ["age" "sex" "flat"]`},
		{"a name missing", columns, `{"instances":[{"age":3,"sex":"f"}]}`, `instances[0]: input "flat" is not given`},
		{"a name twice", columns, `{"instances":[{"age":3,"age":3}]}`, `instances[0].age: given twice`},
		{"a name unknown", columns, `{"instances":[{"Age":3}]}`, `instances[0].Age: no such input, want one of ["age" "sex" "flat"]`},
		{"columns of different rows", columns, `{"inputs":{"sex":[["f"]],"age":[3,4],"flat":[7]}}`, "inputs.age: 2 rows, want 1"},
		{"mixed rows", one, `{"instances":[{"x":[1,2]},[1,2]]}`, "instances[1]: found an array"},
		{"neither", one, `{}`, "instances: missing"},
		{"both", one, `{"instances":[[1,2]],"inputs":[[1,2]]}`, "inputs: instances are given too"},
		{"v2's form", one, `{"inputs":[{"name":"x"}]}`, "inputs[0]: found an object"},
		{"not an object", one, `[[1,2]]`, "the body: found an array"},
		{"unknown field", one, `{"rows":[[1,2]]}`, `rows: no such field, want one of ["instances"`},
		{"a million brackets", one, `{"instances":` + strings.Repeat("[", 1<<20), "instances[0][0]: found an array"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r request
			c := newCodec(test.m)
			got := ""
			if p := decodePlain([]byte(test.body), c, limits{rows: 4}, &r); p != nil {
				got = p.Error()
				if p.status/100 != 4 {
					t.Errorf("status %d", p.status)
				}
			} else {
				for i := range r.in {
					if err := test.m.Inputs[i].Fits(&r.in[i]); err != nil {
						t.Error(err)
					}
				}
				out, p := appendPlain(nil, c, &r, r.in)
				if p != nil {
					t.Fatal(p)
				}
				if !json.Valid(out) {
					t.Errorf("not JSON")
				}
				got = string(out)
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%s\nwant %s...", got, test.want)
			}
		})
	}
}

func TestOutputsWithoutJSON(t *testing.T) {
	t.Parallel()
	m := modelOf(tensor("x", model.FP64), tensor("s", model.Bytes))
	c := newCodec(m)
	values := func(x float64, s string) []model.Value {
		return []model.Value{
			{Datatype: model.FP64, Shape: []int64{1}, Doubles: []float64{x}},
			{Datatype: model.Bytes, Shape: []int64{1}, Texts: []string{s}},
		}
	}
	tests := []struct {
		name  string
		x     float64
		s     string
		wants []want
		want  string
	}{
		{"NaN", math.NaN(), "", []want{{output: 0}}, `outputs."x"[0]: the model gives NaN`},
		{"NaN as null", math.NaN(), "", []want{{output: 0, nulls: true}}, `{"model_name":"m","model_version":"1","outputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[null]}]}`},
		{"infinity", math.Inf(1), "", []want{{output: 0, nulls: true}}, `outputs."x"[0]: the model gives +Inf`},
		{"not wanted", math.NaN(), "a\"\n\x7f<", []want{{output: 1}}, `{"model_name":"m","model_version":"1","outputs":[{"name":"s","datatype":"BYTES","shape":[1],"data":["a\"\n` + "\x7f" + `<"]}]}`},
		{"bytes", 0, "\xff", []want{{output: 1}}, `outputs."s"[0]: not valid UTF-8`},
		{"bytes as binary", 0, "\xff", []want{{output: 1, binary: true}}, `{"model_name":"m","model_version":"1","outputs":[{"name":"s","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}` + "\n\x01\x00\x00\x00\xff"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, _, p := appendInference(nil, c, &request{wants: test.wants}, values(test.x, test.s))
			got := string(out)
			if p != nil {
				got = p.Error()
				if p.status != 422 {
					t.Errorf("status %d, want 422", p.status)
				}
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%q\nwant %q...", got, test.want)
			}
		})
	}
}
