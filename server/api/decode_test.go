package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollproof/model"
)

// constant is a classifier of two columns: the label is 1 if the first is positive.
type constant struct{}

func (constant) Predict(_ context.Context, in, out []model.Value) error {
	rows := in[0].Floats
	n := in[0].Rows()
	out[0].Reset(model.Int64, int64(n))
	out[1].Reset(model.FP32, int64(n), 2)
	for i := range n {
		out[0].Ints[i] = 0
		out[1].Floats[2*i], out[1].Floats[2*i+1] = 1, rows[2*i+1]
		if rows[2*i] > 0 {
			out[0].Ints[i] = 1
		}
		if rows[2*i] == 13 {
			panic("thirteen")
		}
	}
	return nil
}

// testModel is the model "m" of two columns.
func testModel(version string) *model.Model {
	return &model.Model{Name: "m", Version: version, Artifact: model.Artifact{
		Predictor: constant{}, Format: "test_v1",
		Inputs: []model.Tensor{{Name: "X", Datatype: model.FP32, Shape: []int64{-1, 2}}},
		Outputs: []model.Tensor{
			{Name: "label", Datatype: model.Int64, Shape: []int64{-1}},
			{Name: "p", Datatype: model.FP32, Shape: []int64{-1, 2}},
		},
	}}
}

// input is a request with one input X of the given shape and data.
func input(shape, data string) string {
	return `{"inputs":[{"name":"X","shape":` + shape + `,"datatype":"FP32","data":` + data + `}]}`
}

// read decodes a request of the inference protocol without binary data.
func read(body string, m *model.Model, maxRows int, r *request) *problem { //nolint:unparam // said where it is called
	return decodeInference([]byte(body), len(body), newCodec(m), limits{rows: maxRows}, r)
}

// wanted says whether an output is wanted.
func wanted(r *request, output int) bool {
	return slices.ContainsFunc(r.wants, func(w want) bool { return w.output == output })
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body           string
		id                   string
		values               []float32
		label, probabilities bool
	}{
		{"flat", input("[2,2]", "[1,2,3,4]"), "", []float32{1, 2, 3, 4}, true, true},
		{"nested", input("[2,2]", "[[1,2],[3,4]]"), "", []float32{1, 2, 3, 4}, true, true},
		{"white space", " {\n\"inputs\" : [ { \"data\" : [ 1 ,\t2 ] , \"datatype\":\"FP32\",\"shape\":[ 1 , 2 ],\"name\":\"X\" } ] } \n", "",
			[]float32{1, 2}, true, true},
		{"id and parameters", `{"id":"a\u0062","parameters":{"x":[1,{"y":"]"}]},"inputs":[{"parameters":{},"name":"\u0058","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`,
			`"a\u0062"`, []float32{1, 2}, true, true},
		{"one output", `{"outputs":[{"name":"p"}],` + input("[1,2]", "[1,2]")[1:], "", []float32{1, 2}, false, true},
		{"no output named", `{"outputs":[],` + input("[1,2]", "[1,2]")[1:], "", []float32{1, 2}, true, true},
		{"numbers", input("[4,2]", "[-0.5,1e2,1E-2,0,-0,3.4028235e38,16777217,0.1]"), "",
			[]float32{-0.5, 100, 0.01, 0, float32(math.Copysign(0, -1)), math.MaxFloat32, 16777216, 0.1}, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r request
			if p := read(test.body, testModel("1"), 4, &r); p != nil {
				t.Fatal(p)
			}
			if d := cmp.Diff(test.values, r.in[0].Floats); d != "" {
				t.Errorf("values (-want +got):\n%s", d)
			}
			got := fmt.Sprint(string(r.id), r.rows, wanted(&r, 0), wanted(&r, 1))
			if want := fmt.Sprint(test.id, len(test.values)/2, test.label, test.probabilities); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	whole := input("[1,2]", "[1,2]")
	tests := []struct {
		name, body, reason, want string
	}{
		{"empty", "", reasonInvalidJSON, "found the end of the body at byte 0, want a JSON object"},
		{"array", "[]", reasonInvalidValue, "the body: found an array"},
		{"cut", whole[:62], reasonInvalidJSON, "inputs[0].data: found the end of the body"},
		{"cut in a string", `{"id":"abc`, reasonInvalidJSON, "id: the string from byte 6 has no end"},
		{"trailing", whole + "x", reasonInvalidJSON, "found x at byte"},
		{"trailing comma", input("[1,2]", "[1,2,]"), reasonInvalidJSON, "inputs[0].data[2]: found ']'"},
		{"no comma", input("[1,2]", "[1 2]"), reasonInvalidJSON, "inputs[0].data[1]: found a number"},
		{"not UTF-8", "{\"id\":\"\xff\"}", reasonInvalidJSON, "id: the string at byte 6 is not valid UTF-8"},
		{"control character", "{\"id\":\"a\nb\"}", reasonInvalidJSON, "id: control character 0x0a"},
		{"bad escape", `{"id":"\q"}`, reasonInvalidJSON, "id: the string at byte"},
		{"unquoted name", `{id:1}`, reasonInvalidJSON, "want a field's name"},
		{"id is a number", `{"id":1}`, reasonInvalidValue, "id: found a number at byte 6, want a string"},
		{"unknown field", `{"instances":[]}`, reasonUnknownField, `instances: no such field, want one of ["id" "inputs"`},
		{"field twice", `{"id":"a","id":"b"}`, reasonDuplicateField, "id: given twice"},
		{"parameters null", `{"parameters":null}`, reasonInvalidValue, "parameters: found null"},
		{"parameters deep", `{"parameters":{"a":` + strings.Repeat("[", 99), reasonInvalidValue, "nested more than 32 deep at byte 51"},
		{"inputs null", `{"inputs":null}`, reasonInvalidValue, "inputs: found null at byte 10, want an array"},
		{"no inputs", `{}`, reasonMissingInput, `inputs: input "X" is not given, want all of ["X"]`},
		{"inputs empty", `{"inputs":[]}`, reasonMissingInput, `inputs: input "X" is not given`},
		{"input a string", `{"inputs":["X"]}`, reasonInvalidValue, "inputs[0]: found a string"},
		{"unknown input field", `{"inputs":[{"nam":"X"}]}`, reasonUnknownField, "inputs[0].nam: no such field"},
		{"wrong name", strings.Replace(whole, `"X"`, `"x"`, 1), reasonUnknownInput, `inputs[0].name: no input "x", want "X"`},
		{"name null", strings.Replace(whole, `"X"`, `null`, 1), reasonInvalidValue, "inputs[0].name: found null"},
		{"no name", strings.Replace(whole, `"name":"X",`, ``, 1), reasonMissingField, "inputs[0].name: missing"},
		{"no data", strings.Replace(whole, `,"data":[1,2]`, ``, 1), reasonMissingField, "inputs[0].data: missing, want it or parameters.binary_data_size"},
		{"input twice", `{"inputs":[` + whole[11:len(whole)-2] + "," + whole[11:], reasonDuplicateInput, `inputs[1].name: input "X" is given twice`},
		{"datatype", strings.Replace(whole, "FP32", "FP64", 1), reasonDatatypeMismatch, `inputs[0].datatype: "FP64", want "FP32"`},
		{"shape scalar", input("2", "[1,2]"), reasonInvalidValue, "inputs[0].shape: found a number"},
		{"shape fraction", input("[1,2.0]", "[1,2]"), reasonInvalidValue, "inputs[0].shape[1]: 2.0 at byte 34 has a fraction or an exponent, want a whole number"},
		{"shape beyond 64 bits", input("[99999999999999999999,2]", "[1,2]"), reasonInvalidValue, "inputs[0].shape[0]: 99999999999999999999 is beyond 64 bits"},
		{"shape columns", input("[1,3]", "[1,2,3]"), reasonShapeMismatch, "inputs[0].shape: [1 3], want [n 2]"},
		{"shape one dimension", input("[2]", "[1,2]"), reasonShapeMismatch, "inputs[0].shape: [2], want [n 2]"},
		{"shape three dimensions", input("[1,1,2]", "[1,2]"), reasonShapeMismatch, "inputs[0].shape: [1 1 2], want [n 2]"},
		{"no rows", input("[0,2]", "[]"), reasonShapeMismatch, "inputs[0].shape: [0 2]"},
		{"negative rows", input("[-1,2]", "[]"), reasonShapeMismatch, "inputs[0].shape: [-1 2]"},
		{"too many rows", input("[5,2]", "[1,2,3,4,5,6,7,8,9,10]"), reasonTooManyRows, "inputs[0].shape[0]: 5 rows, want at most 4"},
		{"rows that overflow", input("[9223372036854775807,2]", "[1,2]"), reasonTooManyRows, "want at most 4"},
		{"too few values", input("[1,2]", "[1]"), reasonShapeMismatch, "inputs[0].data: 1 values, want 2 for shape [1 2]"},
		{"nested differently", input("[2,2]", "[[1,2,3,4]]"), reasonShapeMismatch, "inputs[0].data[0]: more than 2 values, want 2 as the shape says"},
		{"ragged", input("[2,2]", "[[1,2],[3]]"), reasonShapeMismatch, "inputs[0].data[1]: 1 values, want 2 as the shape says"},
		{"nested thrice", input("[1,2]", "[[[1,2]]]"), reasonInvalidValue, "inputs[0].data[0][0]: found an array"},
		{"mixed nesting", input("[1,2]", "[1,[2]]"), reasonInvalidValue, "inputs[0].data[1]: found an array"},
		{"null value", input("[1,2]", "[1,null]"), reasonInvalidValue, "inputs[0].data[1]: found null at byte"},
		{"null in a row", input("[2,2]", "[[1,2],[3,null]]"), reasonInvalidValue, "inputs[0].data[1][1]: found null"},
		{"string value", input("[1,2]", `[1,"2"]`), reasonInvalidValue, "inputs[0].data[1]: found a string"},
		{"NaN", input("[1,2]", "[1,NaN]"), reasonInvalidValue, "inputs[0].data[1]: found NaN"},
		{"-Infinity", input("[1,2]", "[1,-Infinity]"), reasonInvalidValue, "inputs[0].data[1]: found -Infinity"},
		{"huge exponent", input("[1,2]", "[1,1e999999999999]"), reasonInvalidValue, "inputs[0].data[1]: not a finite FP32 value: 1e999999999999"},
		{"beyond FP32", input("[1,2]", "[1,3.5e38]"), reasonInvalidValue, "inputs[0].data[1]: not a finite FP32 value"},
		{"leading zero", input("[1,2]", "[1,01]"), reasonInvalidJSON, "inputs[0].data[1]: not a JSON number"},
		{"hexadecimal", input("[1,2]", "[1,0x1p3]"), reasonInvalidJSON, "inputs[0].data[1]: not a JSON number"},
		{"underscore", input("[1,2]", "[1,1_0]"), reasonInvalidJSON, "inputs[0].data[1]: not a JSON number"},
		{"plus", input("[1,2]", "[1,+1]"), reasonInvalidJSON, "inputs[0].data[1]: found '+'"},
		{"data null", input("[1,2]", "null"), reasonInvalidValue, "inputs[0].data: found null"},
		{"unknown output", `{"outputs":[{"name":"q"}],` + whole[1:], reasonUnknownOutput, `outputs[0].name: no output "q", want one of ["label" "p"]`},
		{"output twice", `{"outputs":[{"name":"p"},{"name":"p"}],` + whole[1:], reasonDuplicateOutput, `outputs[1].name: output "p" is asked for twice`},
		{"output without name", `{"outputs":[{}],` + whole[1:], reasonMissingField, "outputs[0].name: missing"},
		{"too many inputs", `{"outputs":[` + strings.Repeat(`{},`, 20) + `]}`, reasonMissingField, "outputs[0].name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := read(test.body, testModel("1"), 4, &request{})
			if p == nil {
				t.Fatal("decoded")
			}
			if p.reason != test.reason || !strings.Contains(p.Error(), test.want) || p.status/100 != 4 {
				t.Errorf("%d %s: %s\nwant %s: ...%s", p.status, p.reason, p, test.reason, test.want)
			}
		})
	}
}

// FuzzNumber holds the scanner's numbers against the standard library's.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.5", "17.99", "16777216", "16777217", "0.00012345678", "1e-46", "3.4028236e38", "01", "1.", "-", "9999999.9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, bits := range []int{32, 64} {
			s := scanner{data: []byte(text)}
			n, isNumber := s.decimal()
			isNumber = isNumber && s.at == len(text)
			valid := json.Valid([]byte(text)) && text[0] != ' ' && strings.TrimSpace(text) == text && strings.IndexByte("-0123456789", text[0]) >= 0
			if isNumber != valid {
				t.Fatalf("%q: a number: %t, want %t", text, isNumber, valid)
			}
			if !valid {
				return
			}
			want, err := strconv.ParseFloat(text, bits)
			var got float64
			var ok bool
			if bits == 32 {
				var single float32
				single, ok = n.float32()
				got = float64(single)
			} else {
				got, ok = n.float64()
			}
			if ok != (err == nil) || ok && math.Float64bits(got) != math.Float64bits(want) {
				t.Errorf("%q of %d bits: %v %t, want %v, %v", text, bits, got, ok, want, err)
			}
		}
	})
}

// FuzzDecode holds decoding against encoding/json: what is decoded is JSON, and gives
// the values that the standard library gives.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(input("[2,2]", "[1,2,3,4.5e-3]")))
	f.Add([]byte(input("[1,2]", "[[-1,0.25]]")))
	f.Add([]byte(`{"id":"\ud800","parameters":{"a":[true,null,"x"]},"outputs":[{"name":"p"}],` + input("[1,2]", "[1,2]")[1:]))
	m := testModel("1")
	f.Fuzz(func(t *testing.T, body []byte) {
		var r request
		if p := read(string(body), m, 4, &r); p != nil {
			if p.status/100 != 4 || p.message == "" || p.reason == "" {
				t.Errorf("problem %+v", p)
			}
			return
		}
		var plain struct {
			ID     *string
			Inputs []struct {
				Data []json.RawMessage
			}
		}
		if err := json.Unmarshal(body, &plain); err != nil || len(plain.Inputs) != 1 {
			t.Fatalf("decoded %q, but the standard library: %v", body, err)
		}
		var want []float32
		for _, raw := range plain.Inputs[0].Data {
			var row []float32
			if raw[0] != '[' {
				raw = append(append([]byte{'['}, raw...), ']')
			}
			if err := json.Unmarshal(raw, &row); err != nil {
				t.Fatal(err)
			}
			want = append(want, row...)
		}
		if d := cmp.Diff(want, r.in[0].Floats); d != "" {
			t.Errorf("%q: values (-want +got):\n%s", body, d)
		}
	})
}
