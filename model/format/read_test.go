package format

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rollproof/model/lightgbm"
	"rollproof/model/xgboost"
)

const text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\nobjective=regression\n" +
	"feature_names=a\nfeature_infos=[0:1]\n\nTree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=0.5\n\nend of trees\n"

func TestReadFile(t *testing.T) {
	t.Parallel()
	a, err := ReadFile(filepath.Join("..", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Outputs) != 2 || a.Summary.Trees != 100 {
		t.Errorf("artifact %+v", a)
	}
	path := filepath.Join(t.TempDir(), "named.onnx") // the name tells nothing
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err = ReadFile(path); err != nil || a.Format != "lightgbm_v4" {
		t.Errorf("artifact %+v, error %v", a, err)
	}
}

func TestReadFileRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe, empty, large := filepath.Join(folder, "pipe"), filepath.Join(folder, "empty"), filepath.Join(folder, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		folder:                          "a folder, want a model's file",
		pipe:                            "not a regular file",
		empty:                           "the file is empty",
		large:                           "want at most",
		filepath.Join(folder, "nobody"): "no such file",
	} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one with %q", path, err, want)
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	onnxFile, err := os.ReadFile(filepath.Join("..", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[Format]string{
		ONNX:        string(onnxFile),
		LightGBM:    text,
		XGBoostJSON: `{"learner":{"attributes":{}`,
		XGBoostUBJ:  "{L\x00\x00\x00\x00\x00\x00\x00\x07learner{",
	} {
		if got, err := Detect([]byte(data)); err != nil || got != want {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
	if got, err := Detect([]byte("{ \"version\": [3,0,0],\n\"learner\": {")); err != nil || got != XGBoostJSON {
		t.Errorf("version first: %q, %v", got, err)
	}
	if got, err := Detect(onnxFile[:len(onnxFile)/2]); err != nil || got != ONNX {
		t.Errorf("half of an ONNX file: %q, %v", got, err)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	safe := append(binary.LittleEndian.AppendUint64(nil, 20), `{"__metadata__":{}}  `...)
	for want, data := range map[string]string{
		"skl2onnx":                         "\x80\x04\x95\x1c\x00\x00\x00",
		"joblib does":                      "\x78\x9c\x01\x02",
		"gzip: decompress it":              "\x1f\x8b\x08\x00",
		"a zip archive":                    "PK\x03\x04\x14\x00a.txt",
		"PyTorch":                          "PK\x03\x04\x14\x00archive/data.pkl",
		"Keras archive":                    "PK\x03\x04\x14\x00metadata.json",
		"HDF5":                             "\x89HDF\r\n\x1a\n\x00",
		"PMML":                             "<?xml version=\"1.0\"?>\n<PMML version=\"4.4\">",
		"HTML, as a failed download":       "<!DOCTYPE html><title>404</title>",
		"XML or something":                 "<svg/>",
		"CatBoost binary":                  "CBM1\x00\x00",
		"CatBoost's JSON":                  `{"ctrs":[],"oblivious_trees":[]}`,
		"dump_model":                       `{"name":"tree","version":"v4","max_feature_idx":3}`,
		"TensorFlow SavedModel":            "\x08\x01\x12\x04\x0a\x02\x08\x01",
		"TensorFlow Lite":                  "\x1c\x00\x00\x00TFL3",
		"safetensors":                      string(safe),
		"git lfs pull":                     "version https://git-lfs.github.com/spec/v1\noid sha256:0",
		`whose first key is "predictions"`: `{"predictions":[1,2]}`,
		"begins with \"a,b,c\\n1,2,3\"":    "a,b,c\n1,2,3",
		"empty":                            "",
	} {
		_, err := Read([]byte(data))
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrUnsupported) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	// What is XGBoost's or LightGBM's own is theirs to refuse.
	if _, err := Read([]byte("binf\x00\x00\x00")); !errors.Is(err, xgboost.ErrUnsupported) {
		t.Errorf("old binary: %v", err)
	}
	if _, err := Read([]byte(text[:60])); !errors.Is(err, lightgbm.ErrInvalid) {
		t.Errorf("half of a text: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{text, `{"learner":{`, "{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "PK\x03\x04", "\x08\x01\x12", "<html", "\x80\x04"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Read(data)
		if (a == nil) == (err == nil) {
			t.Errorf("artifact %v, error %v", a, err)
		}
	})
}
