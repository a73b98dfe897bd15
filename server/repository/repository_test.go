package repository

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// artifact is a good model.onnx.
func artifact(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "model", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write makes a models folder of the given files.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	folder := t.TempDir()
	for name, data := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestLoadAndFind(t *testing.T) {
	t.Parallel()
	good := artifact(t)
	r, err := Load(write(t, map[string][]byte{
		"b/9/model.onnx": good, "b/10/model.onnx": good, "b/10/card.json": []byte("{}"),
		"a/1/any name": good, ".snapshot/1/x": []byte("x"), "README.md": []byte("x"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "b"}, r.Names()); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"9", "10"}, r.Versions("b")); d != "" {
		t.Errorf("versions (-want +got):\n%s", d)
	}
	if n := len(r.Status()); n != 3 {
		t.Errorf("%d models, want 3", n)
	}
	for _, test := range []struct{ name, version, want string }{{"b", "", "10"}, {"b", "9", "9"}, {"a", "", "1"}} {
		m, err := r.Acquire(test.name, test.version)
		if err != nil || m.Name != test.name || m.Version != test.want {
			t.Errorf("Acquire(%q, %q): %+v, %v, want version %s", test.name, test.version, m, err, test.want)
		}
	}
	for _, test := range []struct{ name, version, want string }{
		{"c", "", `model "c": not found: the models are ["a" "b"]`},
		{"b", "3", `version "3" of model "b": not found: the versions are ["9" "10"]`},
	} {
		if _, err := r.Acquire(test.name, test.version); !errors.Is(err, ErrNotFound) || err.Error() != test.want {
			t.Errorf("Acquire(%q, %q): %v, want %s", test.name, test.version, err, test.want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	good := artifact(t)
	tests := []struct {
		name  string
		files map[string][]byte
		want  []string // parts of the error; slashes are the system's
	}{
		{"empty folder", nil, []string{"holds no model: want NAME/VERSION/FILE"}},
		{"model without version", map[string][]byte{"m/card.json": []byte("{}")}, []string{"model m", "holds no version"}},
		{"version without artifact", map[string][]byte{"m/1/.card.json": []byte("{}")}, []string{"model m version 1", "m/1 holds no file"}},
		{"two files", map[string][]byte{"m/1/a.onnx": good, "m/1/b.onnx": good}, []string{"model m version 1", `m/1 holds 2 files, ["a.onnx" "b.onnx"]: want one`}},
		{"two models", map[string][]byte{"m/1/model.onnx": good, "m/1/model.txt": good}, []string{"want one, or exactly one named model"}},
		{"text for a model", map[string][]byte{"m/1/model.onnx": []byte("version https://git-lfs.github.com/spec/v1\n")},
			[]string{"model m version 1", "m/1/model.onnx: "}},
		{"empty artifact", map[string][]byte{"m/1/model.onnx": {}}, []string{"m/1/model.onnx: the file is empty"}},
		{"cut artifact", map[string][]byte{"m/1/model.onnx": good[:len(good)/2]}, []string{"m/1/model.onnx: "}},
		{"artifact is a folder", map[string][]byte{"m/1/model.onnx/x": []byte("x")}, []string{"m/1/model.onnx: not a regular file"}},
		{"one of two is bad", map[string][]byte{"m/1/model.onnx": good, "m/2/model.onnx": []byte("x")}, []string{"model m version 2"}},
		{"version is a word", map[string][]byte{"m/v1/model.onnx": good}, []string{`m/v1: version "v1" of model m: want a whole number`}},
		{"version 01", map[string][]byte{"m/01/model.onnx": good}, []string{`version "01"`}},
		{"name with a space", map[string][]byte{"my model/1/model.onnx": good}, []string{`model name "my model"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(write(t, test.files))
			if err == nil {
				t.Fatal("loaded")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), filepath.FromSlash(part)) {
					t.Errorf("error %q, want %q in it", err, part)
				}
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := Load(missing); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v, want that %s does not exist", err, missing)
	}
}
