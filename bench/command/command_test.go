package command_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rollproof/bench/command"
	"rollproof/bench/peer"
	"rollproof/bench/result/sample"
)

// TestMain makes the command line a program that scripts can run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bench": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := command.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	artifact, err := filepath.Abs("../../model/breastcancer/v1/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := json.Marshal(map[string]any{"rows": [][]float32{make([]float32, 30), make([]float32, 30)}})
	if err != nil {
		t.Fatal(err)
	}
	document, err := sample.Document()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			decode := httptest.NewServer(peer.Kinds()["decode"])
			env.Defer(decode.Close)
			env.Setenv("DECODE", decode.URL)
			env.Setenv("ARTIFACT", artifact)
			if err := document.Write(filepath.Join(env.WorkDir, "results.json")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "rows.json"), rows, 0o600)
		},
	})
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := peer.Serve(ctx, "discard", "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Error(err)
	}
}
