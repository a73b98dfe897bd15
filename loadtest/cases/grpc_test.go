package cases_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"rollproof/loadtest/cases"
)

// protocolFile is the protocol as the server declares it: the one thing of the
// server's that is read here, and only by this test.
var protocolFile = filepath.Join("..", "..", "server", "inferencepb", "inference.proto")

// messages reads the messages that a prediction is made of from the .proto file, so
// that what is written by hand here is held to it by another's code.
func messages(t *testing.T) protoreflect.MessageDescriptors {
	t.Helper()
	text, err := os.ReadFile(protocolFile)
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`//[^\n]*`).ReplaceAllString(string(text), "")
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("p.proto"), Package: proto.String("inference"), Syntax: proto.String("proto3")}
	for _, name := range []string{"ModelInferRequest", "ModelInferResponse", "InferTensorContents"} {
		file.MessageType = append(file.MessageType, parseMessage(t, plain, name))
	}
	built, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return built.Messages()
}

var (
	nestedMessage = regexp.MustCompile(`(?s)message (\w+) \{([^{}]*)\}`)
	messageField  = regexp.MustCompile(`(repeated )?([\w.]+) (\w+) = (\d+);`)
	scalars       = map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES,
		"bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "int32": descriptorpb.FieldDescriptorProto_TYPE_INT32,
		"int64": descriptorpb.FieldDescriptorProto_TYPE_INT64, "uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
		"uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64, "float": descriptorpb.FieldDescriptorProto_TYPE_FLOAT,
		"double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
	}
)

// parseMessage reads one message, with those in it; maps, which nothing here uses,
// are left out.
func parseMessage(t *testing.T, text, name string) *descriptorpb.DescriptorProto {
	t.Helper()
	_, text, ok := strings.Cut(text, "\nmessage "+name+" {")
	if !ok {
		t.Fatalf("no message %s in %s", name, protocolFile)
	}
	text, _, _ = strings.Cut(text, "\n}")
	m := &descriptorpb.DescriptorProto{Name: &name}
	for _, inner := range nestedMessage.FindAllStringSubmatch(text, -1) {
		nested := &descriptorpb.DescriptorProto{Name: &inner[1]}
		nested.Field = parseFields(t, inner[2], name)
		m.NestedType = append(m.NestedType, nested)
	}
	m.Field = parseFields(t, nestedMessage.ReplaceAllString(text, ""), name)
	return m
}

func parseFields(t *testing.T, text, outer string) []*descriptorpb.FieldDescriptorProto {
	t.Helper()
	var out []*descriptorpb.FieldDescriptorProto
	for _, f := range messageField.FindAllStringSubmatch(text, -1) {
		number, err := protowireNumber(f[4])
		if err != nil {
			t.Fatal(err)
		}
		field := &descriptorpb.FieldDescriptorProto{Name: &f[3], Number: &number, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if f[1] != "" {
			field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if kind, ok := scalars[f[2]]; ok {
			field.Type = &kind
		} else {
			field.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
			full := ".inference." + f[2]
			if f[2] != "InferTensorContents" {
				full = ".inference." + outer + "." + f[2]
			}
			field.TypeName = &full
		}
		out = append(out, field)
	}
	return out
}

func protowireNumber(text string) (int32, error) {
	var n int32
	for _, c := range text {
		n = 10*n + c - '0'
	}
	if !protowire.Number(n).IsValid() {
		return 0, errors.New(text)
	}
	return n, nil
}

func text(m protoreflect.Message, field string) string {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field))).String()
}

func list(m protoreflect.Message, field string) protoreflect.List {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field))).List()
}

// A request is what the protocol's own messages read from it, for every datatype.
func TestRequestsAreTheProtocols(t *testing.T) {
	t.Parallel()
	request := messages(t).ByName("ModelInferRequest")
	for datatype, field := range map[string]string{
		"FP32": "fp32_contents", "FP64": "fp64_contents", "INT64": "int64_contents", "INT32": "int_contents",
		"INT8": "int_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents", "BOOL": "bool_contents",
	} {
		t.Run(datatype, func(t *testing.T) {
			t.Parallel()
			set := parse(t, strings.NewReplacer(`"FP32"`, `"`+datatype+`"`, "[[1.5,2e-05],[3.0,4]]", "[[1,0],[0,1]]").Replace(small))
			if strings.HasPrefix(datatype, "FP") {
				set = parse(t, strings.Replace(small, `"FP32"`, `"`+datatype+`"`, 1))
			}
			g, err := set.GRPC()
			if err != nil {
				t.Fatal(err)
			}
			batches, err := g.Batches(2, 1)
			if err != nil {
				t.Fatal(err)
			}
			m := dynamicpb.NewMessage(request)
			if err := proto.Unmarshal(batches[0].Body[5:], m); err != nil {
				t.Fatal(err)
			}
			if len(m.GetUnknown()) != 0 {
				t.Errorf("fields that the protocol does not know: %x", m.GetUnknown())
			}
			input := list(m, "inputs").Get(0).Message()
			contents := input.Get(input.Descriptor().Fields().ByName("contents")).Message()
			shape := list(input, "shape")
			if text(m, "model_name") != "m" || text(m, "id") != batches[0].ID || text(input, "name") != "X" || text(input, "datatype") != datatype ||
				shape.Len() != 2 || shape.Get(0).Int() != 2 || shape.Get(1).Int() != 2 || len(contents.GetUnknown()) != 0 {
				t.Errorf("%v", m)
			}
			if got := list(contents, field); got.Len() != 4 {
				t.Errorf("%s holds %d elements, want 4: %v", field, got.Len(), contents)
			}
		})
	}
}

// response makes an answer by the protocol's own messages.
func response(t *testing.T, raw bool, change func(*dynamicpb.Message)) []byte {
	t.Helper()
	descriptor := messages(t).ByName("ModelInferResponse")
	m := dynamicpb.NewMessage(descriptor)
	set := func(m protoreflect.Message, field, value string) {
		m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOfString(value))
	}
	set(m, "model_name", "m")
	set(m, "model_version", "1")
	set(m, "id", "b0")
	outputs := m.Mutable(descriptor.Fields().ByName("outputs")).List()
	add := func(name, datatype, field string, shape []int64, elements ...protoreflect.Value) {
		o := outputs.NewElement().Message()
		set(o, "name", name)
		set(o, "datatype", datatype)
		dims := o.Mutable(o.Descriptor().Fields().ByName("shape")).List()
		for _, d := range shape {
			dims.Append(protoreflect.ValueOfInt64(d))
		}
		if !raw {
			contents := o.Mutable(o.Descriptor().Fields().ByName("contents")).Message()
			held := contents.Mutable(contents.Descriptor().Fields().ByName(protoreflect.Name(field))).List()
			for _, e := range elements {
				held.Append(e)
			}
		}
		outputs.Append(protoreflect.ValueOfMessage(o))
	}
	add("label", "INT64", "int64_contents", []int64{2}, protoreflect.ValueOfInt64(0), protoreflect.ValueOfInt64(1))
	add("probabilities", "FP32", "fp32_contents", []int64{2, 2}, protoreflect.ValueOfFloat32(0.75), protoreflect.ValueOfFloat32(0.25),
		protoreflect.ValueOfFloat32(0.1), protoreflect.ValueOfFloat32(0.9))
	if raw {
		held := m.Mutable(descriptor.Fields().ByName("raw_output_contents")).List()
		held.Append(protoreflect.ValueOfBytes([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}))
		held.Append(protoreflect.ValueOfBytes([]byte{0, 0, 0x40, 0x3f, 0, 0, 0x80, 0x3e, 0xcd, 0xcc, 0xcc, 0x3d, 0x66, 0x66, 0x66, 0x3f}))
	}
	if change != nil {
		change(m)
	}
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return frame(body)
}

// frame returns an answer of one message.
func frame(message []byte) []byte {
	return append([]byte{0, 0, 0, byte(len(message) >> 8), byte(len(message))}, message...)
}

// longer returns an answer with more bytes in its message.
func longer(answer []byte, more ...byte) []byte {
	return frame(slices.Concat(answer[5:], more))
}

// An answer that the protocol's own messages wrote is read, in both forms of its
// contents, and what is wrong with it is found.
func TestAnswersAreTheProtocols(t *testing.T) {
	t.Parallel()
	g, err := parse(t, small).GRPC()
	if err != nil {
		t.Fatal(err)
	}
	batches, err := g.Batches(2, 1)
	if err != nil {
		t.Fatal(err)
	}
	named := func(field, value string) func(*dynamicpb.Message) {
		return func(m *dynamicpb.Message) {
			m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOfString(value))
		}
	}
	right := response(t, false, nil)
	tests := []struct {
		name string
		body []byte
		want error
	}{
		{"right", right, nil},
		{"right, raw", response(t, true, nil), nil},
		{"another version in the body", response(t, false, named("model_version", "2")), cases.ErrWrongVersion},
		{"another model", response(t, false, named("model_name", "n")), cases.ErrWrongAnswer},
		{"another request's", response(t, false, named("id", "b7")), cases.ErrWrongAnswer},
		{"no outputs", response(t, false, func(m *dynamicpb.Message) { m.Clear(m.Descriptor().Fields().ByName("outputs")) }), cases.ErrWrongAnswer},
		{"raw contents of one output", response(t, true, func(m *dynamicpb.Message) {
			m.Mutable(m.Descriptor().Fields().ByName("raw_output_contents")).List().Truncate(1)
		}), cases.ErrWrongAnswer},
		{"cut short", right[:len(right)-3], cases.ErrShortBody},
		{"nothing", nil, cases.ErrShortBody},
		{"compressed", append([]byte{1}, right[1:]...), cases.ErrWrongAnswer},
		{"more than the message", append(append([]byte{}, right...), 0), cases.ErrWrongAnswer},
		{"not a message", []byte{0, 0, 0, 0, 2, 0xff, 0xff}, cases.ErrWrongAnswer},
		{"a field's number that is too large", longer(right, 0xc0, 0xf2, 0xf2, 0xf2, 0x30, 0x30), cases.ErrWrongAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, got := g.Check(batches[0], "1", tt.body); !errors.Is(got, tt.want) || (tt.want == nil && got != nil) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestDatatypesThatGRPCCannotSend(t *testing.T) {
	t.Parallel()
	if _, err := parse(t, strings.Replace(small, `"FP32"`, `"BYTES"`, 1)).GRPC(); err == nil || !strings.Contains(err.Error(), "BYTES") {
		t.Errorf("error %v", err)
	}
	g, err := parse(t, strings.Replace(small, `"FP32"`, `"INT32"`, 1)).GRPC()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Batches(1, 1); err == nil || !strings.Contains(err.Error(), "rows[0]") {
		t.Errorf("1.5 as an INT32: %v", err)
	}
}

func FuzzCheckGRPC(f *testing.F) {
	set, err := cases.Parse([]byte(small))
	if err != nil {
		f.Fatal(err)
	}
	g, err := set.GRPC()
	if err != nil {
		f.Fatal(err)
	}
	batches, err := g.Batches(2, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0, 0, 0, 0, 2, 0xff, 0xff})
	f.Add(batches[0].Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = g.Check(batches[0], "1", body) // must not panic, whatever it says
		if len(body) > 0 && body[0] != 0 {
			if _, err := g.Check(batches[0], "1", body); err == nil {
				t.Error("a compressed message was taken")
			}
		}
	})
}
