package api

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollproof/model"
)

// datatypes are all there are.
var datatypes = []model.Datatype{
	model.Bool, model.Uint8, model.Uint16, model.Uint32, model.Uint64, model.Int8, model.Int16, model.Int32,
	model.Int64, model.FP16, model.BF16, model.FP32, model.FP64, model.Bytes,
}

// modelOf is a model of the given inputs, which it gives as they are.
func modelOf(inputs ...model.Tensor) *model.Model {
	return &model.Model{Name: "m", Version: "1", Artifact: model.Artifact{
		Predictor: echo{}, Format: "test_v1", Inputs: inputs, Outputs: inputs,
	}}
}

// tensor is one with a batch dimension and others.
func tensor(name string, d model.Datatype, shape ...int64) model.Tensor {
	return model.Tensor{Name: name, Datatype: d, Shape: append([]int64{model.Any}, shape...)}
}

// elements are the value's elements as text.
func elements(v *model.Value) string {
	switch v.Datatype.Storage() {
	case model.Floats:
		return fmt.Sprint(v.Floats)
	case model.Doubles:
		return fmt.Sprint(v.Doubles)
	case model.Ints:
		return fmt.Sprint(v.Ints)
	}
	return fmt.Sprintf("%q", v.Texts)
}

func TestDatatypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		d          model.Datatype
		data, want string
	}{
		{model.Bool, `[true,false]`, "[1 0]"},
		{model.Bool, `[1,0]`, "inputs[0].data[0]: found a number at byte 63, want true or false"},
		{model.Bool, `["true",true]`, "inputs[0].data[0]: found a string"},
		{model.Uint8, `[0,255]`, "[0 255]"},
		{model.Uint8, `[0,256]`, "inputs[0].data[1]: 256 is no UINT8 value, want 0 to 255"},
		{model.Uint8, `[-1,0]`, "inputs[0].data[0]: -1 is no UINT8 value, want 0 to 255"},
		{model.Uint8, `[-0,0]`, "[0 0]"},
		{model.Int8, `[-128,127]`, "[-128 127]"},
		{model.Int8, `[-129,0]`, "inputs[0].data[0]: -129 is no INT8 value, want -128 to 127"},
		{model.Int16, `[-32768,32768]`, "inputs[0].data[1]: 32768 is no INT16 value"},
		{model.Uint16, `[65535,65536]`, "inputs[0].data[1]: 65536 is no UINT16 value"},
		{model.Int32, `[-2147483648,2147483647]`, "[-2147483648 2147483647]"},
		{model.Uint32, `[4294967295,4294967296]`, "inputs[0].data[1]: 4294967296 is no UINT32 value"},
		{model.Int64, `[-9223372036854775808,9223372036854775807]`, "[-9223372036854775808 9223372036854775807]"},
		{model.Int64, `[9223372036854775808,0]`, "inputs[0].data[0]: 9223372036854775808 is no INT64 value"},
		{model.Int64, `[-9223372036854775809,0]`, "inputs[0].data[0]: -9223372036854775809 is no INT64 value"},
		{model.Uint64, `[18446744073709551615,0]`, "[-1 0]"},
		{model.Uint64, `[18446744073709551616,0]`, "inputs[0].data[0]: 18446744073709551616 is no UINT64 value, want 0 to 18446744073709551615"},
		{model.Int64, `[1.0,2]`, "inputs[0].data[0]: 1.0 at byte 64 has a fraction or an exponent"},
		{model.Int64, `[1e3,2]`, "inputs[0].data[0]: 1e3 at byte 64 has a fraction or an exponent"},
		{model.Int64, `["1",2]`, "inputs[0].data[0]: found a string"},
		{model.Int64, `[01,2]`, "inputs[0].data[0]: not a JSON number"},
		{model.FP16, `[65504,0.1]`, "[65504 0.099975586]"},
		{model.FP16, `[65519.99,5e-8]`, "[65504 5.9604645e-08]"},
		{model.FP16, `[65520,0]`, "inputs[0].data[0]: not a finite FP16 value: 65520"},
		{model.BF16, `[1.00390625,1.01171875]`, "[1 1.015625]"},
		{model.BF16, `[3.4e38,0]`, "inputs[0].data[0]: not a finite BF16 value"},
		{model.FP64, `[0.1,-1.7976931348623157e308]`, "[0.1 -1.7976931348623157e+308]"},
		{model.FP64, `[1e309,0]`, "inputs[0].data[0]: not a finite FP64 value: 1e309"},
		{model.FP64, `[9007199254740993,5e-324]`, "[9.007199254740992e+15 5e-324]"},
		{model.FP32, `[0.30000000000000004,16777217]`, "[0.3 1.6777216e+07]"},
		{model.FP32, `[1e-400,1e-45]`, "[0 1e-45]"},
		{model.Bytes, `["a\u00e9\n","\ud83d\ude00"]`, `["aé\n" "😀"]`},
		{model.Bytes, `["é",1]`, "inputs[0].data[1]: found a number"},
		{model.Bytes, "[\"\xff\",\"\"]", "inputs[0].data[0]: the string at byte 64 is not valid UTF-8"},
		{model.Bytes, `["\ud800","\x"]`, "inputs[0].data[1]: the string at byte"},
	}
	for _, test := range tests {
		t.Run(string(test.d)+test.data, func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"inputs":[{"name":"a","shape":[2,1],"datatype":"%s","data":%s}]}`, test.d, test.data)
			var r request
			p := read(body, modelOf(tensor("a", test.d, 1)), 4, &r)
			got := ""
			if p != nil {
				got = p.Error()
			} else {
				got = elements(&r.in[0])
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%s\nwant %s...", got, test.want)
			}
		})
	}
}

func TestSeveralInputs(t *testing.T) {
	t.Parallel()
	m := modelOf(tensor("age", model.FP32, 1), tensor("sex", model.Bytes, 1), tensor("image", model.Uint8, 2, 2),
		model.Tensor{Name: "scale", Datatype: model.FP64, Shape: []int64{}})
	age := `{"name":"age","shape":[2,1],"datatype":"FP32","data":[1,2]}`
	sex := `{"data":[["f"],["m"]],"name":"sex","datatype":"BYTES","shape":[2,1]}`
	image := `{"datatype":"UINT8","data":[[[1,2],[3,4]],[[5,6],[7,8]]],"shape":[2,2,2],"name":"image"}`
	scale := `{"name":"scale","shape":[],"datatype":"FP64","data":[0.5]}`
	tests := []struct{ name, inputs, want string }{
		{"all", strings.Join([]string{sex, image, age, scale}, ","), `[1 2] ["f" "m"] [1 2 3 4 5 6 7 8] [0.5]`},
		{"flat", strings.Join([]string{sex, strings.NewReplacer("[[[", "[", "]]]", "]", "],[", ",", "[[", "[", "]]", "]", "],", ",").Replace(`{"datatype":"UINT8","data":[1,2,3,4,5,6,7,8]`) + `,"shape":[2,2,2],"name":"image"}`, age, scale}, ","),
			`[1 2] ["f" "m"] [1 2 3 4 5 6 7 8] [0.5]`},
		{"one missing", strings.Join([]string{sex, age, scale}, ","), `inputs: input "image" is not given, want all of ["age" "sex" "image" "scale"]`},
		{"rows differ", strings.Join([]string{sex, `{"name":"age","shape":[1,1],"datatype":"FP32","data":[1]}`}, ","), "inputs[1].shape: 1 rows, want 2 as the inputs before it have"},
		{"late error", strings.Replace(sex, `"m"`, `7`, 1), "inputs[0].data[1][0]: found a number at byte 27, want a string"},
		{"deep error", strings.Replace(image, `7`, `700`, 1), "inputs[0].data[1][1][0]: 700 is no UINT8 value"},
		{"ragged", strings.Replace(image, `[7,8]`, `[7]`, 1), "inputs[0].data[1][1]: 1 values, want 2 as the shape says"},
		{"too few arrays", strings.Replace(image, `,[7,8]`, ``, 1), "inputs[0].data[1]: 1 arrays, want 2 as the shape says"},
		{"too many arrays", strings.Replace(image, `[7,8]`, `[7,8],[9,9]`, 1), "inputs[0].data[1]: more than 2 arrays, want 2"},
		{"scalar with a shape", strings.Replace(scale, `[]`, `[1]`, 1), "inputs[0].shape: [1], want []"},
		{"sizes beyond the body", `{"name":"image","shape":[4,9223372036854775807,4],"datatype":"UINT8","data":[]}`, "inputs[0].shape: [4 9223372036854775807 4], want [n 2 2]"},
		{"unknown", `{"name":"x"}`, `inputs[0].name: no input "x", want one of ["age" "sex" "image" "scale"]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r request
			p := read(`{"inputs":[`+test.inputs+`]}`, m, 4, &r)
			got := ""
			if p != nil {
				got = p.Error()
			} else {
				for i := range r.in {
					got += elements(&r.in[i]) + " "
				}
			}
			// The bytes in the messages are those of the whole body.
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%s\nwant %s...", got, test.want)
			}
		})
	}
}

func TestMissingValues(t *testing.T) {
	t.Parallel()
	m := modelOf(tensor("x", model.FP32, 2), tensor("y", model.FP64, 1), tensor("n", model.Int64, 1))
	x := func(more string) string {
		return `{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,null]` + more + `}`
	}
	rest := `,{"name":"y","shape":[1,1],"datatype":"FP64","data":[null]},{"name":"n","shape":[1,1],"datatype":"INT64","data":[7]}`
	plain := strings.Replace(rest, "null", "2", 1)
	const allowed = `"parameters":{"missing":"null"}`
	tests := []struct{ name, body, want string }{
		{"not allowed", `{"inputs":[` + x("") + plain + `]}`, "inputs[0].data[1]: found null at byte 65, want a number"},
		{"of the input, behind", `{"inputs":[` + x(","+allowed) + plain + `]}`, "[1 NaN] [2] [7]"},
		{"of the input, before", `{"inputs":[{` + allowed + `,` + x("")[1:] + plain + `]}`, "[1 NaN] [2] [7]"},
		{"of one input only", `{"inputs":[` + x(","+allowed) + rest + `]}`, "inputs[1].data[0]: found null"},
		{"of the request, before", `{` + allowed + `,"inputs":[` + x("") + rest + `]}`, "[1 NaN] [NaN] [7]"},
		{"of the request, behind", `{"inputs":[` + x("") + rest + `],` + allowed + `}`, "[1 NaN] [NaN] [7]"},
		{"not for integers", `{"inputs":[` + x("") + strings.Replace(rest, "[7]", "[null]", 1) + `],` + allowed + `}`, "inputs[2].data[0]: found null"},
		{"NaN is not JSON", `{` + allowed + `,"inputs":[` + strings.Replace(x(""), "null", "NaN", 1) + rest + `]}`, "inputs[0].data[1]: found NaN at byte 97, want a number or null"},
		{"another value", `{"inputs":[` + x(`,"parameters":{"missing":"NaN"}`) + plain + `]}`, `inputs[0].parameters.missing: "NaN", want "null"`},
		{"twice", `{"parameters":{"missing":"null","missing":"null"},"inputs":[` + x("") + plain + `]}`, "parameters.missing: given twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r request
			p := read(test.body, m, 4, &r)
			got := ""
			if p != nil {
				got = p.Error()
			} else {
				for i := range r.in {
					got += elements(&r.in[i]) + " "
				}
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%s\nwant %s...", got, test.want)
			}
		})
	}
}

// draw draws a value that a datatype can have in JSON.
func draw(t *rapid.T, d model.Datatype, shape ...int64) model.Value {
	var v model.Value
	v.Reset(d, shape...)
	for i := range v.Len() {
		switch d {
		case model.Bool:
			v.Ints[i] = int64(rapid.IntRange(0, 1).Draw(t, "bool"))
		case model.Int64:
			v.Ints[i] = rapid.Int64().Draw(t, "int")
		case model.Uint64:
			v.Ints[i] = int64(rapid.Uint64().Draw(t, "uint"))
		case model.FP32:
			v.Floats[i] = rapid.Float32().Draw(t, "float")
		case model.FP16, model.BF16:
			s := scanner{data: []byte(fmt.Sprintf("%.9e", rapid.Float64Range(-65504, 65504).Draw(t, "half")))}
			n, _ := s.decimal()
			v.Floats[i], _ = n.narrow(d)
		case model.FP64:
			v.Doubles[i] = rapid.Float64().Draw(t, "double")
		case model.Bytes:
			v.Texts[i] = rapid.String().Draw(t, "text")
		default:
			v.Ints[i] = rapid.Int64Range(bounds[d][0], bounds[d][1]).Draw(t, "sized")
		}
	}
	return v
}

// TestRoundTrip answers with what was asked, and asks with that: nothing changes, in
// JSON and in binary, and the JSON is what the standard library reads too.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var inputs []model.Tensor
		var values []model.Value
		r := request{}
		rows := int64(rapid.IntRange(1, 3).Draw(t, "rows"))
		for i := range rapid.IntRange(1, 4).Draw(t, "inputs") {
			d := rapid.SampledFrom(datatypes).Draw(t, "datatype")
			shape := rapid.SliceOfN(rapid.Int64Range(1, 3), 0, 3).Draw(t, "shape")
			inputs = append(inputs, tensor(fmt.Sprint("i", i), d, shape...))
			values = append(values, draw(t, d, append([]int64{rows}, shape...)...))
			r.wants = append(r.wants, want{output: i, binary: rapid.Bool().Draw(t, "binary")})
		}
		m := modelOf(inputs...)
		c := newCodec(m)
		out, header, p := appendInference(nil, c, &r, values)
		if p != nil {
			t.Fatal(p)
		}
		var plain struct {
			Outputs []struct{ Data []any }
		}
		if err := json.Unmarshal(out[:header], &plain); err != nil || len(plain.Outputs) != len(inputs) {
			t.Fatalf("%s: %v", out[:header], err)
		}
		body := strings.Replace(string(out), `{"model_name":"m","model_version":"1","outputs":`, `{"model_name":"m","model_version":"1","inputs":`, 1)
		var back request
		if p := decodeInference([]byte(body), header-1, c, limits{rows: 3}, &back); p != nil {
			t.Fatalf("%q: %v", body, p)
		}
		same := cmp.Comparer(func(a, b model.Value) bool {
			return a.Datatype == b.Datatype && fmt.Sprint(a.Shape) == fmt.Sprint(b.Shape) && elements(&a) == elements(&b)
		})
		if diff := cmp.Diff(values, back.in, same); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", body, diff)
		}
	})
}

func TestBinaryInputs(t *testing.T) {
	t.Parallel()
	m := modelOf(tensor("x", model.FP32, 2), tensor("s", model.Bytes, 1), tensor("b", model.Bool, 1))
	x := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5))
	x = binary.LittleEndian.AppendUint32(x, 0x7fc00000) // NaN: a missing value
	s := "\x03\x00\x00\x00a\xffc"
	given := func(size int, name, d, shape string) string {
		return fmt.Sprintf(`{"name":"%s","shape":%s,"datatype":"%s","parameters":{"binary_data_size":%d}}`, name, shape, d, size)
	}
	all := `{"inputs":[` + given(8, "x", "FP32", "[1,2]") + "," + given(7, "s", "BYTES", "[1,1]") + `,{"name":"b","shape":[1,1],"datatype":"BOOL","data":[true]}]}`
	two := func(input, data string) (string, string) { return `{"inputs":[` + input + `]}`, data }
	tests := []struct {
		name      string
		body, raw string
		want      string
	}{
		{"mixed", all, string(x) + s, `[1.5 NaN] ["a\xffc"] [1]`},
		{"too little", all, string(x), "inputs[1].parameters.binary_data_size: 7, but 0 bytes are left behind the JSON"},
		{"too much", all, string(x) + s + "z", "the body: 1 bytes are behind the binary data of the inputs"},
	}
	add := func(name, want string, body, raw string) {
		tests = append(tests, struct{ name, body, raw, want string }{name, body, raw, want})
	}
	body, raw := two(given(4, "x", "FP32", "[1,2]"), string(x))
	add("size and shape", "inputs[0].parameters.binary_data_size: 4, want 8 for shape [1 2] of FP32", body, raw)
	body, raw = two(given(6, "s", "BYTES", "[1,1]"), "\x03\x00\x00\x00ab")
	add("text too long", "inputs[0].parameters.binary_data_size: element 0 is 3 bytes long, but 2 are left", body, raw)
	body, raw = two(given(6, "s", "BYTES", "[1,1]"), "\x01\x00\x00\x00ab")
	add("text too short", "inputs[0].parameters.binary_data_size: 6, but 1 elements take 5", body, raw)
	body, raw = two(given(6, "s", "BYTES", "[2,1]"), "\x01\x00\x00\x00ab")
	add("too few texts", "inputs[0].parameters.binary_data_size: 6, want 8 or more", body, raw)
	body, raw = two(given(1, "b", "BOOL", "[1,1]"), "\x02")
	add("bool", "inputs[0].parameters.binary_data_size: the BOOL at byte 0 is 2, want 0 or 1", body, raw)
	body, raw = two(strings.Replace(given(1, "b", "BOOL", "[1,1]"), `"shape"`, `"data":[true],"shape"`, 1), "\x01")
	add("both", "inputs[0].data: the input has binary_data_size too", body, raw)
	body, raw = two(given(-1, "b", "BOOL", "[1,1]"), "\x01")
	add("negative", "inputs[0].parameters.binary_data_size: -1, want a number of bytes", body, raw)
	body, raw = two(strings.Replace(given(1, "b", "BOOL", "[1,1]"), `"binary_data_size":1`, `"shared_memory_region":"r"`, 1), "")
	add("shared memory", "inputs[0].parameters.shared_memory_region: not supported", body, raw)
	body, raw = two(given(1, "b", "BOOL", "[4,1]"), "\x01")
	add("rows declared", "inputs[0].parameters.binary_data_size: 1, want 4", body, raw)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r request
			p := decodeInference([]byte(test.body+test.raw), len(test.body), newCodec(m), limits{rows: 4}, &r)
			got := ""
			if p != nil {
				got = p.Error()
			} else {
				for i := range r.in {
					got += elements(&r.in[i]) + " "
				}
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%s\nwant %s...", got, test.want)
			}
		})
	}
}
