package inferencepb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// published is the specification's table: each message's fields by number, with names
// and types as
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
// declares them.
const published = `
ServerLiveRequest
ServerLiveResponse: 1 live bool
ServerReadyRequest
ServerReadyResponse: 1 ready bool
ModelReadyRequest: 1 name string, 2 version string
ModelReadyResponse: 1 ready bool
ServerMetadataRequest
ServerMetadataResponse: 1 name string, 2 version string, 3 extensions repeated string
ModelMetadataRequest: 1 name string, 2 version string
ModelMetadataResponse: 1 name string, 2 versions repeated string, 3 platform string, 4 inputs repeated ModelMetadataResponse.TensorMetadata, 5 outputs repeated ModelMetadataResponse.TensorMetadata, 6 properties map<string, string>
ModelMetadataResponse.TensorMetadata: 1 name string, 2 datatype string, 3 shape repeated int64
ModelInferRequest: 1 model_name string, 2 model_version string, 3 id string, 4 parameters map<string, InferParameter>, 5 inputs repeated ModelInferRequest.InferInputTensor, 6 outputs repeated ModelInferRequest.InferRequestedOutputTensor, 7 raw_input_contents repeated bytes
ModelInferRequest.InferInputTensor: 1 name string, 2 datatype string, 3 shape repeated int64, 4 parameters map<string, InferParameter>, 5 contents InferTensorContents
ModelInferRequest.InferRequestedOutputTensor: 1 name string, 2 parameters map<string, InferParameter>
ModelInferResponse: 1 model_name string, 2 model_version string, 3 id string, 4 parameters map<string, InferParameter>, 5 outputs repeated ModelInferResponse.InferOutputTensor, 6 raw_output_contents repeated bytes
ModelInferResponse.InferOutputTensor: 1 name string, 2 datatype string, 3 shape repeated int64, 4 parameters map<string, InferParameter>, 5 contents InferTensorContents
InferParameter: 1 bool_param bool oneof parameter_choice, 2 int64_param int64 oneof parameter_choice, 3 string_param string oneof parameter_choice, 4 double_param double oneof parameter_choice, 5 uint64_param uint64 oneof parameter_choice
InferTensorContents: 1 bool_contents repeated bool, 2 int_contents repeated int32, 3 int64_contents repeated int64, 4 uint_contents repeated uint32, 5 uint64_contents repeated uint64, 6 fp32_contents repeated float, 7 fp64_contents repeated double, 8 bytes_contents repeated bytes
`

func TestFieldsAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	file := File_server_inferencepb_inference_proto
	if got := string(file.Package()); got != "inference" {
		t.Errorf("package %q, want inference", got)
	}
	got := "\n" + strings.Join(tables(file.Messages()), "\n") + "\n"
	if d := cmp.Diff(published, got); d != "" {
		t.Errorf("messages (-published +ours):\n%s", d)
	}
}

func TestMethodsAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	services := File_server_inferencepb_inference_proto.Services()
	if services.Len() != 1 || services.Get(0).FullName() != "inference.GRPCInferenceService" {
		t.Fatalf("services %v, want inference.GRPCInferenceService alone", services)
	}
	methods := services.Get(0).Methods()
	var got []string
	for i := range methods.Len() {
		m := methods.Get(i)
		if m.IsStreamingClient() || m.IsStreamingServer() {
			t.Errorf("%s streams", m.Name())
		}
		if string(m.Input().Name()) != string(m.Name())+"Request" || string(m.Output().Name()) != string(m.Name())+"Response" {
			t.Errorf("%s takes %s and gives %s", m.Name(), m.Input().Name(), m.Output().Name())
		}
		got = append(got, string(m.Name()))
	}
	want := []string{"ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("methods (-published +ours):\n%s", d)
	}
}

// tables writes messages and the messages in them as published has them.
func tables(messages protoreflect.MessageDescriptors) []string {
	var all []string
	for i := range messages.Len() {
		m := messages.Get(i)
		if m.IsMapEntry() {
			continue
		}
		var fields []protoreflect.FieldDescriptor
		for j := range m.Fields().Len() {
			fields = append(fields, m.Fields().Get(j))
		}
		slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number() - b.Number()) })
		line := local(m)
		for j, f := range fields {
			separator := ", "
			if j == 0 {
				separator = ": "
			}
			line += fmt.Sprintf("%s%d %s %s", separator, f.Number(), f.Name(), kind(f))
		}
		all = append(append(all, line), tables(m.Messages())...)
	}
	return all
}

// kind is a field's type as a .proto file declares it.
func kind(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	if f.Message() != nil {
		name = local(f.Message())
	}
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s, %s>", kind(f.MapKey()), kind(f.MapValue()))
	case f.IsList():
		return "repeated " + name
	case f.ContainingOneof() != nil:
		return name + " oneof " + string(f.ContainingOneof().Name())
	}
	return name
}

// local is a message's name without its package.
func local(m protoreflect.MessageDescriptor) string {
	return strings.TrimPrefix(string(m.FullName()), "inference.")
}

func TestCodeIsWhatTheGeneratorMakes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the generator")
	}
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	command := exec.Command("go", "run", ".", root, out, "server/inferencepb/inference.proto")
	command.Dir = filepath.Join(root, "scripts", "fromsource", "protobuf")
	if log, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for _, name := range []string{"inference.pb.go", "inference_grpc.pb.go"} {
		want, err := os.ReadFile(filepath.Join(out, "server", "inferencepb", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s is not what inference.proto says: run make proto", name)
		}
	}
}
