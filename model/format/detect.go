package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"rollproof/model/lightgbm"
	"rollproof/model/xgboost"
)

// Format is one that is served.
type Format string

// The formats.
const (
	ONNX        Format = "ONNX"
	XGBoostJSON Format = "XGBoost JSON"
	XGBoostUBJ  Format = "XGBoost UBJSON"
	LightGBM    Format = "LightGBM text"
)

// served is what an error says that there could be instead.
const served = "want ONNX, XGBoost JSON or UBJSON, or LightGBM text"

// head is how much of a file is looked at where a mark may stand anywhere near its
// beginning.
const head = 4 << 10

// Detect tells the format by the content. Its cost is linear in the bytes, and mostly
// that of the first few. The error says what they are instead and what to export.
func Detect(data []byte) (Format, error) {
	if len(data) == 0 {
		return "", fmt.Errorf("the file is empty, %s: %w", served, ErrUnsupported)
	}
	if lightgbm.Match(data) {
		return LightGBM, nil
	}
	if what := other(data); what != "" {
		return "", fmt.Errorf("%s: %w", what, ErrUnsupported)
	}
	switch xgboost.Detect(data) {
	case xgboost.None:
	case xgboost.UBJ:
		return XGBoostUBJ, nil
	default: // its reader says of the old forms how to convert them
		return XGBoostJSON, nil
	}
	if graph(data) {
		return ONNX, nil
	}
	return "", fmt.Errorf("begins with %q, which is the beginning of no format that is known here, %s: %w",
		data[:min(len(data), 16)], served, ErrUnsupported)
}

// graph says whether the bytes are a message with ONNX's field graph (ModelProto 7, see
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), or are cut off behind a good
// beginning of one, of which the reader says where.
func graph(data []byte) bool {
	const (
		irVersion = 1
		graph     = 7
		last      = 26 // the field with the highest number
	)
	for at := data; len(at) > 0; {
		number, kind, n := protowire.ConsumeTag(at)
		if n < 0 || number > last {
			return false
		}
		if number == graph && kind == protowire.BytesType {
			return true
		}
		if number == irVersion && kind != protowire.VarintType {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, at[n:])
		if size < 0 {
			return false
		}
		at = at[n+size:]
	}
	return false
}

// magic is how files of other kinds begin, and what to say of them.
var magic = []struct{ start, what string }{
	{"version https://git-lfs", "a pointer of Git LFS, not the file itself: run git lfs pull"},
	{"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes it: neural networks are not served, " + served},
	{"CBM1", "a CatBoost binary model: save_model(\"model.onnx\", format=\"onnx\") exports it as ONNX"},
	{"\x1f\x8b", "compressed by gzip: decompress it, " + served},
	{"BZh", "compressed by bzip2: decompress it, " + served},
	{"\xfd7zXZ\x00", "compressed by xz: decompress it, " + served},
	{"\x28\xb5\x2f\xfd", "compressed by zstd: decompress it, " + served},
	{"\x04\x22\x4d\x18", "compressed by lz4, as joblib may do: " + pickled},
	{"\x78\x01", "compressed by zlib, as joblib does: " + pickled},
	{"\x78\x5e", "compressed by zlib, as joblib does: " + pickled},
	{"\x78\x9c", "compressed by zlib, as joblib does: " + pickled},
	{"\x78\xda", "compressed by zlib, as joblib does: " + pickled},
	{"ccopy_reg\n", "a Python pickle: " + pickled},
	{"\x93NUMPY", "a NumPy array, " + served},
	{"GGUF", "GGUF: language models are not served, " + served},
	{"PAR1", "Parquet, which holds data: " + served},
	{"RDX", "an R workspace: save the booster's own model file, " + served},
}

const pickled = "a pickle is a program to run and is never loaded: export the model where it was made, " +
	"with skl2onnx for scikit-learn, or by the booster's own save_model"

// other says what the bytes are if they are of a kind that is not served.
func other(data []byte) string {
	for _, m := range magic {
		if bytes.HasPrefix(data, []byte(m.start)) {
			return m.what
		}
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), head)], []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(data) > 1 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5:
		return "a Python pickle or joblib file: " + pickled
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return archive(data[:min(len(data), head)])
	case len(data) >= 8 && string(data[4:8]) == "TFL3":
		return "TensorFlow Lite: neural networks are not served, " + served
	case len(data) > 9 && data[8] == '{' && data[9] == '"' && binary.LittleEndian.Uint64(data) <= uint64(len(data)-8):
		return "safetensors, which hold weights without the model: " + served
	case bytes.HasPrefix(data, []byte("\x08\x01\x12")) && !graph(data):
		return "a TensorFlow SavedModel: neural networks are not served; TensorFlow Decision Forests have no ONNX export, " + served
	case len(start) > 0 && start[0] == '<':
		return markup(start)
	case len(start) > 0 && start[0] == '{':
		return object(start)
	}
	return ""
}

// archive says what a zip file is, by the names in its beginning.
func archive(start []byte) string {
	switch {
	case bytes.Contains(start, []byte("data.pkl")):
		return "a PyTorch archive: neural networks are not served, " + served
	case bytes.Contains(start, []byte("model.weights.h5")), bytes.Contains(start, []byte("metadata.json")):
		return "a Keras archive: neural networks are not served, " + served
	case bytes.Contains(start, []byte("model.ini")):
		return "an H2O MOJO: H2O's own runtime serves it, " + served
	case bytes.Contains(start, []byte("schema.json")):
		return "a skops archive: export with skl2onnx where it was made, " + served
	}
	return "a zip archive: unpack it, " + served
}

// markup says what a file is that begins with '<'.
func markup(start []byte) string {
	lower := bytes.ToLower(start)
	switch {
	case bytes.Contains(lower, []byte("<pmml")):
		return "PMML: export the model with skl2onnx, or by the booster's own save_model, " + served
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.Contains(lower, []byte("<html")):
		return "a page of HTML, as a failed download leaves it: fetch the file itself, " + served
	}
	return "XML or something like it, " + served
}

// object says what a JSON object is if it is not XGBoost's, by its keys near its
// beginning. UBJSON begins with '{' too, and goes on otherwise.
func object(start []byte) string {
	rest := bytes.TrimLeft(start[1:], " \t\r\n")
	if len(rest) == 0 || rest[0] != '"' {
		return ""
	}
	has := func(keys ...string) bool {
		for _, k := range keys {
			if bytes.Contains(start, []byte(`"`+k+`"`)) {
				return true
			}
		}
		return false
	}
	key, _, closed := strings.Cut(string(rest[1:]), `"`)
	switch {
	case key == "learner" || key == "version" && has("learner") || key == "Config" || key == "Model":
		return ""
	case has("oblivious_trees", "model_guid", "cat_features_hash"):
		return "CatBoost's JSON: save_model(\"model.onnx\", format=\"onnx\") exports it as ONNX"
	case has("tree_info", "max_feature_idx"):
		return "LightGBM's dump_model, which is for looking at: save_model writes the model"
	case has("modelTopology", "class_name"):
		return "JSON of Keras or TensorFlow.js: neural networks are not served, " + served
	case key == "version":
		return "" // XGBoost's with a long beginning, or not: its reader says
	case !closed || len(key) > 40:
		return "JSON of something else, " + served
	}
	return fmt.Sprintf("JSON of something else, whose first key is %q, %s", key, served)
}
