package grpcapi

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"rollproof/model"
	pb "rollproof/server/inferencepb"
)

// view is what both readers of a request must agree on.
type view struct {
	Model, Version, ID string
	Inputs             []viewed
	Outputs            []string
	Raw                []string
}

// viewed is an input.
type viewed struct {
	Name, Datatype string
	Shape          []int64
}

func viewOf(r *request) view {
	v := view{Model: string(r.modelName), Version: string(r.modelVersion), ID: string(r.id)}
	for _, t := range r.inputs {
		v.Inputs = append(v.Inputs, viewed{string(t.name), string(t.datatype), append([]int64(nil), t.shape...)})
	}
	for _, name := range r.outputs {
		v.Outputs = append(v.Outputs, string(name))
	}
	for _, raw := range r.raw {
		v.Raw = append(v.Raw, string(raw))
	}
	return v
}

func viewOfGenerated(r *pb.ModelInferRequest) view {
	v := view{Model: r.GetModelName(), Version: r.GetModelVersion(), ID: r.GetId()}
	for _, t := range r.GetInputs() {
		v.Inputs = append(v.Inputs, viewed{t.GetName(), t.GetDatatype(), append([]int64(nil), t.GetShape()...)})
	}
	for _, o := range r.GetOutputs() {
		v.Outputs = append(v.Outputs, o.GetName())
	}
	for _, raw := range r.GetRawInputContents() {
		v.Raw = append(v.Raw, string(raw))
	}
	return v
}

// generated are the elements of contents as the generated code has them, how many there
// are, and whether they are where the datatype wants them and within its bounds.
func generated(c *pb.InferTensorContents, d model.Datatype) (v model.Value, ok bool) {
	v.Datatype = d
	least, largest := bounds(d)
	add := func(x int64) {
		v.Ints = append(v.Ints, x)
		ok = ok && x >= least && x <= largest
	}
	lengths := []int{
		0, len(c.GetBoolContents()), len(c.GetIntContents()), len(c.GetInt64Contents()), len(c.GetUintContents()),
		len(c.GetUint64Contents()), len(c.GetFp32Contents()), len(c.GetFp64Contents()), len(c.GetBytesContents()),
	}
	ok = true
	for field, n := range lengths {
		ok = ok && (n == 0 || field == int(contentField(d)))
	}
	switch contentField(d) {
	case 1:
		for _, x := range c.GetBoolContents() {
			if x {
				add(1)
			} else {
				add(0)
			}
		}
	case 2:
		for _, x := range c.GetIntContents() {
			add(int64(x))
		}
	case 3:
		for _, x := range c.GetInt64Contents() {
			add(x)
		}
	case 4:
		for _, x := range c.GetUintContents() {
			add(int64(x))
		}
	case 5:
		for _, x := range c.GetUint64Contents() {
			add(int64(x))
		}
	case 6:
		v.Floats = c.GetFp32Contents()
	case 7:
		v.Doubles = c.GetFp64Contents()
	case 8:
		for _, x := range c.GetBytesContents() {
			v.Texts = append(v.Texts, string(x))
		}
	}
	return v, ok
}

// same says whether two values have the same elements, bit by bit.
func same(a, b *model.Value) bool {
	if len(a.Floats) != len(b.Floats) || len(a.Doubles) != len(b.Doubles) || len(a.Ints) != len(b.Ints) || len(a.Texts) != len(b.Texts) {
		return false
	}
	for i := range a.Floats {
		if math.Float32bits(a.Floats[i]) != math.Float32bits(b.Floats[i]) {
			return false
		}
	}
	for i := range a.Doubles {
		if math.Float64bits(a.Doubles[i]) != math.Float64bits(b.Doubles[i]) {
			return false
		}
	}
	return cmp.Equal(a.Ints, b.Ints, equateEmpty) && cmp.Equal(a.Texts, b.Texts, equateEmpty)
}

// equateEmpty has a nil list equal an empty one.
var equateEmpty = cmp.FilterValues(func(a, b any) bool { return length(a) == 0 && length(b) == 0 }, cmp.Ignore())

func length(v any) int {
	switch v := v.(type) {
	case []int64:
		return len(v)
	case []string:
		return len(v)
	case []viewed:
		return len(v)
	}
	return -1
}

// seeds are messages of every kind of content.
func seeds(t testing.TB) [][]byte {
	parameters := map[string]*pb.InferParameter{
		"a": {ParameterChoice: &pb.InferParameter_StringParam{StringParam: "x"}},
		"b": {ParameterChoice: &pb.InferParameter_DoubleParam{DoubleParam: 1}},
	}
	var all [][]byte
	for _, r := range []*pb.ModelInferRequest{
		floats(1, 2, -3, 4),
		{ModelName: "m", ModelVersion: "1", Id: "7", Parameters: parameters,
			Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: "X", Datatype: "FP32", Shape: []int64{1, 2}, Parameters: parameters}},
			Outputs:          []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "p", Parameters: parameters}},
			RawInputContents: [][]byte{{0, 0, 0, 0, 0, 0, 128, 63}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{
			{Datatype: "BOOL", Contents: &pb.InferTensorContents{BoolContents: []bool{true, false}}},
			{Datatype: "INT8", Contents: &pb.InferTensorContents{IntContents: []int32{-1, 127, 128}}},
			{Datatype: "INT64", Contents: &pb.InferTensorContents{Int64Contents: []int64{math.MinInt64}}},
			{Datatype: "UINT16", Contents: &pb.InferTensorContents{UintContents: []uint32{65535}}},
			{Datatype: "UINT64", Contents: &pb.InferTensorContents{Uint64Contents: []uint64{math.MaxUint64}}},
			{Datatype: "FP64", Contents: &pb.InferTensorContents{Fp64Contents: []float64{1, 2}}},
			{Datatype: "BYTES", Contents: &pb.InferTensorContents{BytesContents: [][]byte{{}, []byte("a")}}},
			{Datatype: "FP32", Contents: &pb.InferTensorContents{BytesContents: [][]byte{{}}}},
		}},
	} {
		raw, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	return append(all, nil, []byte{0xc0, 0xf2, 0xf2, 0xf2, 0x30, 0x30}, // a field's number that is too large
		[]byte{0x0a}, []byte{0x0a, 1, 0xff}, []byte{0x0b, 0x0c}, []byte{0x2a, 4, 0x18, 1, 0x18, 2},
		[]byte{0x2a, 10, 0x12, 4, 'F', 'P', '3', '2', 0x2a, 2, 0x35, 0})
}

// agree fails unless the request's own reader and the generated code read the same.
func agree(t *testing.T, message []byte) {
	var theirs pb.ModelInferRequest
	wantErr := proto.Unmarshal(message, &theirs)
	var ours request
	err := ours.parse(message)
	if err != nil {
		if wantErr == nil {
			t.Fatalf("%v, where the generated code reads it", err)
		}
		return
	}
	// Contents are read later: a message may be bad there alone.
	bad := false
	for i := range ours.inputs {
		in := &ours.inputs[i]
		d := model.Datatype(in.datatype)
		if d.Storage() == model.Invalid {
			d = model.FP32
		}
		if wantErr != nil {
			bad = bad || contentsError(in.contents)
			continue
		}
		want, ok := generated(theirs.GetInputs()[i].GetContents(), d)
		got := model.Value{Datatype: d}
		p := fillTyped(&got, in.contents, want.Len(), "c")
		if (p == nil) != ok {
			t.Fatalf("input %d, %s: %v, want ok %v", i, d, p, ok)
		}
		if ok && !same(&got, &want) {
			t.Fatalf("input %d, %s: %+v, want %+v", i, d, got, want)
		}
	}
	if wantErr != nil {
		if !bad {
			t.Fatalf("read, where the generated code says %v", wantErr)
		}
		return
	}
	if d := cmp.Diff(viewOfGenerated(&theirs), viewOf(&ours), equateEmpty); d != "" {
		t.Fatalf("requests (-generated +ours):\n%s", d)
	}
}

// contentsError says whether some datatype's reader finds contents that are no message.
func contentsError(contents [][]byte) bool {
	for _, d := range datatypes {
		v := model.Value{Datatype: d}
		if p := fillTyped(&v, contents, 0, "c"); p != nil && p.reason == reasonInvalidMessage {
			return true
		}
	}
	for _, c := range contents {
		var message pb.InferTensorContents
		if proto.Unmarshal(c, &message) != nil {
			return true
		}
	}
	return false
}

func TestReadersAgree(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(t) {
		agree(t, seed)
		for cut := range seed {
			agree(t, seed[:cut])
		}
	}
}

func FuzzReadersAgree(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, message []byte) { agree(t, message) })
}

func FuzzDecode(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	models := []*model.Model{sums("1"), echo("all", datatypes...), echo("one", model.Bytes)}
	f.Fuzz(func(t *testing.T, message []byte) {
		var r request
		if r.parse(message) != nil {
			return
		}
		for _, m := range models {
			var d decoded
			if p := d.decode(&r, m, limits{bytes: 1 << 16, rows: 16}); p != nil {
				if p.Error() == "" || p.GRPCStatus() == nil {
					t.Fatal("a problem without a sentence")
				}
				continue
			}
			for i := range m.Inputs {
				if err := m.Inputs[i].Fits(&d.in[i]); err != nil {
					t.Fatalf("decoded, but %v", err)
				}
			}
			out := make([]model.Value, len(m.Outputs))
			if err := m.Predict(t.Context(), d.in, out); err != nil {
				t.Fatal(err)
			}
			var answer pb.ModelInferResponse
			if err := proto.Unmarshal(newFrame(m).appendResponse(nil, r.id, out, d.wanted, d.raw), &answer); err != nil {
				t.Fatalf("the answer is no message: %v", err)
			}
		}
	})
}
