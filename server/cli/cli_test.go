package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rollproof/model"
)

var update = flag.Bool("update", false, "write the golden output anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"inspect": func() { os.Exit(Inspect(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
		"predict": func() { os.Exit(Predict(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	artifact, err := filepath.Abs(filepath.Join("..", "..", "model", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("ONNX", artifact)
			return nil
		},
	})
}

// stump predicts 1 for x <= 0.5 and 2 above; y is not used.
const stump = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=regression\n" +
	"feature_names=x y\nfeature_infos=[0:1] [0:1]\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=0.5\n" +
	"decision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n\nend of trees\n"

func stumpFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model")
	if err := os.WriteFile(path, []byte(stump), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// endless gives rows for ever, and counts its bytes.
type endless struct{ given int }

func (e *endless) Read(into []byte) (int, error) {
	n := copy(into, strings.Repeat("1,2\n", len(into)/4))
	e.given += n
	return n, nil
}

// gone fails as a pipe does that nobody reads any more, after some writes.
type gone struct{ writes int }

func (g *gone) Write(p []byte) (int, error) {
	if g.writes--; g.writes < 0 {
		return 0, fmt.Errorf("write: %w", syscall.EPIPE)
	}
	return len(p), nil
}

func TestReaderOfOutputGoes(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	if code := Predict(context.Background(), []string{stumpFile(t)}, &endless{}, &gone{writes: 3}, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("code %d, stderr %s", code, stderr.String())
	}
}

// An interrupt ends predict also while it waits for a row, and what came before it is
// answered.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	answers, answered := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int)
	go func() { code <- Predict(ctx, []string{"--batch=1", stumpFile(t)}, read, answered, &stderr) }()
	if _, err := io.WriteString(write, "0.5,0\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(answers).ReadString('\n'); err != nil || line != "1\n" {
		t.Errorf("answer %q, %v", line, err)
	}
	cancel()
	select {
	case got := <-code:
		if got != 1 || !strings.Contains(stderr.String(), "interrupted behind 1 rows") {
			t.Errorf("code %d, stderr %s", got, stderr.String())
		}
	case <-time.After(5 * time.Second):
		t.Fatal("did not end")
	}
}

func TestManyRows(t *testing.T) {
	t.Parallel()
	var in, out, stderr bytes.Buffer
	in.WriteString("y,x\n")
	for i := range 5000 {
		in.WriteString("7," + strconv.FormatFloat(float64(i%2), 'f', 1, 64) + "\n")
	}
	if code := Predict(context.Background(), []string{stumpFile(t), "--batch", "999"}, &in, &out, &stderr); code != 0 {
		t.Fatalf("code %d, stderr %s", code, stderr.String())
	}
	if want := strings.Repeat("1\n2\n", 2500); out.String() != want {
		t.Errorf("%d bytes, want %d", out.Len(), len(want))
	}
}

// A quote that is never closed must not take in all of a stream.
func TestLongRow(t *testing.T) {
	t.Parallel()
	source := &endless{}
	var out, stderr bytes.Buffer
	code := Predict(context.Background(), []string{stumpFile(t)}, io.MultiReader(strings.NewReader("1,2\n\""), source), &out, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "is a quote not closed?") || out.String() != "2\n" {
		t.Errorf("code %d, stdout %q, stderr %s", code, out.String(), stderr.String())
	}
	if source.given > 2*maxRecord {
		t.Errorf("%d bytes were read", source.given)
	}
}

// Each datatype is read from a field and written as one.
func TestEveryDatatype(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		datatype    model.Datatype
		field, want string
		wrong       string
	}{
		{model.FP64, "0.1", "0.1", "x"},
		{model.FP64, "", "NaN", "1,5"},
		{model.FP32, "1e-45", "1e-45", "1e39"},
		{model.FP16, "-65504", "-65504", "65505"},
		{model.BF16, " 2 ", "2", "--2"},
		{model.Int8, "-128", "-128", "128"},
		{model.Uint8, "255", "255", "-1"},
		{model.Int16, "32767", "32767", ""},
		{model.Uint16, "65535", "65535", "65536"},
		{model.Int32, "-2147483648", "-2147483648", "1.5"},
		{model.Uint32, "4294967295", "4294967295", "4294967296"},
		{model.Int64, "-9223372036854775808", "-9223372036854775808", "9223372036854775808"},
		{model.Uint64, "18446744073709551615", "18446744073709551615", "NaN"},
		{model.Bool, "true", "true", "yes"},
		{model.Bytes, "a b", "a b", ""},
	} {
		tensor := []model.Tensor{{Name: "in", Datatype: c.datatype, Shape: []int64{model.Any, 1}}}
		l, err := newLayout(tensor)
		if err != nil {
			t.Fatal(err)
		}
		a, err := newAnswers(tensor, &predictFlags{separator: ','})
		if err != nil {
			t.Fatal(err)
		}
		inputs := make([]model.Value, 1)
		rows, err := newRowReader(l, strings.NewReader("in\n\""+c.field+"\"\n"), ',').read(inputs, 8)
		if rows != 1 || !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %d rows, %v", c.datatype, rows, err)
		}
		if err := tensor[0].Fits(&inputs[0]); err != nil {
			t.Error(err)
		}
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		if err := errors.Join(a.write(w, inputs, 1), w.Flush()); err != nil || out.String() != c.want+"\n" {
			t.Errorf("%s: %q, want %q; %v", c.datatype, out.String(), c.want, err)
		}
		if c.datatype == model.Bytes {
			continue // any text is one
		}
		_, err = newRowReader(l, strings.NewReader("in\n\""+c.wrong+"\"\n"), ',').read(inputs, 8)
		if err == nil || !strings.Contains(err.Error(), "line 2, column 1 (in): ") || !strings.Contains(err.Error(), string(c.datatype)) {
			t.Errorf("%s of %q: error %v", c.datatype, c.wrong, err)
		}
	}
}

// A graph may leave the number of columns open; the first row then decides.
func TestOpenWidth(t *testing.T) {
	t.Parallel()
	tensor := []model.Tensor{{Name: "X", Datatype: model.FP32, Shape: []int64{model.Any, model.Any}}}
	for text, rows := range map[string]int{"a,b,c\n1,2,3\n4,5,6\n": 2, "1,2,3\n": 1, "a,b,c\n": 0, "": 0} {
		l, err := newLayout(tensor)
		if err != nil {
			t.Fatal(err)
		}
		inputs := make([]model.Value, 1)
		got, err := newRowReader(l, strings.NewReader(text), ',').read(inputs, 8)
		if got != rows || !errors.Is(err, io.EOF) || rows > 0 && (inputs[0].Shape[1] != 3 || inputs[0].Floats[2] != 3) {
			t.Errorf("%q: %d rows, inputs %+v, error %v", text, got, inputs, err)
		}
		if err := tensor[0].Fits(&inputs[0]); err != nil {
			t.Error(err)
		}
	}
}

// Wide rows make small batches.
func TestWideRows(t *testing.T) {
	t.Parallel()
	l, err := newLayout([]model.Tensor{{Name: "X", Datatype: model.FP64, Shape: []int64{model.Any, model.Any}}})
	if err != nil {
		t.Fatal(err)
	}
	const width = 1 << 20
	line := strings.Repeat("1,", width-1) + "1\n"
	inputs := make([]model.Value, 1)
	rows, err := newRowReader(l, strings.NewReader(strings.Repeat(line, 6)), ',').read(inputs, 1024)
	if err != nil || rows != maxFields/width || cap(inputs[0].Doubles) > maxFields {
		t.Errorf("%d rows in memory for %d, error %v", rows, cap(inputs[0].Doubles), err)
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte("x,y\n1,2\n"), uint8(3))
	f.Add([]byte("1,\"a\nb\"\n"), uint8(1))
	inputs := []model.Tensor{
		{Name: "x", Datatype: model.FP32, Shape: []int64{model.Any, 1}},
		{Name: "y", Datatype: model.Bytes, Shape: []int64{model.Any}},
	}
	f.Fuzz(func(t *testing.T, data []byte, limit uint8) {
		l, err := newLayout(inputs)
		if err != nil {
			t.Fatal(err)
		}
		r := newRowReader(l, bytes.NewReader(data), ',')
		values := make([]model.Value, len(inputs))
		for {
			rows, err := r.read(values, int(limit)+1)
			for i := range values {
				if fit := inputs[i].Fits(&values[i]); fit != nil || values[i].Rows() != rows {
					t.Fatalf("%d rows: %v", rows, fit)
				}
			}
			if err != nil {
				return
			}
		}
	})
}

func BenchmarkPredict(b *testing.B) {
	artifact := filepath.Join("..", "..", "model", "breastcancer", "v1", "model.onnx")
	row := strings.TrimSuffix(strings.Repeat("12.34,", 30), ",") + "\n"
	in := strings.Repeat(row, 10000)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if code := Predict(context.Background(), []string{artifact}, strings.NewReader(in), io.Discard, io.Discard); code != 0 {
			b.Fatal(code)
		}
	}
	b.ReportMetric(float64(b.N)*10000/b.Elapsed().Seconds(), "rows/s")
}
