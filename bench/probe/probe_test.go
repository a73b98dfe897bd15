package probe_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rollproof/bench/probe"
)

const modelFile = "../../model/breastcancer/v1/model.onnx"

// rowsFile has the first rows of the shipped example.
func rowsFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../model/breastcancer/goldens.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens struct {
		Rows [][]float32 `json:"rows"`
	}
	if err := json.Unmarshal(text, &goldens); err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(map[string]any{"rows": goldens.Rows[:120]})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunAnswersEachQuestion(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := probe.Run(t.Context(), modelFile, rowsFile(t), strings.NewReader("1 5\n100 5\n"), &out); err != nil {
		t.Fatal(err)
	}
	var took []float64
	for _, line := range strings.Fields(out.String()) {
		n, err := strconv.ParseFloat(line, 64)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, n)
	}
	// A row of 100 trees takes more than 20 ns on any machine, and a hundred rows more
	// than one.
	if len(took) != 2 || took[0] < 20 || took[1] < took[0] {
		t.Errorf("%v, want two times", took)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	rows := rowsFile(t)
	for _, question := range []string{"one 5", "0 5", "121 5", "1"} {
		if err := probe.Run(t.Context(), modelFile, rows, strings.NewReader(question+"\n"), &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", question)
		}
	}
	narrow := filepath.Join(t.TempDir(), "rows.json")
	if err := os.WriteFile(narrow, []byte(`{"rows":[[1,2],[3,4]]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := probe.Run(t.Context(), modelFile, narrow, strings.NewReader("1 5\n"), &bytes.Buffer{}); err == nil {
		t.Error("rows of two columns: no error")
	}
	for _, text := range []string{`{"rows":[]}`, `{"rows":[[1],[1,2]]}`, `{`} {
		if err := os.WriteFile(narrow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := probe.Rows(narrow); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
