package command_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rollproof/loadtest/command"
	"rollproof/loadtest/fake"
)

// TestMain makes the command line a program that scripts can run; it ends on
// signals as the real one does.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"loadtest": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := command.Run(ctx, context.Background(), os.Args[1:], os.Stdout, os.Stderr)
			stop()
			os.Exit(code)
		},
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	set := fake.Set(5)
	goldens, err := fake.Goldens(set)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			right := httptest.NewServer(fake.New(set, "pod-a", "1", nil))
			env.Defer(right.Close)
			// One request in the load's middle ends without an answer.
			losing := httptest.NewServer(fake.New(set, "pod-a", "1", func(n uint64) fake.Fault {
				if n == 50 {
					return fake.Close
				}
				return fake.None
			}))
			env.Defer(losing.Close)
			secure := httptest.NewUnstartedServer(fake.New(set, "pod-a", "1", nil))
			secure.Config.ErrorLog = log.New(io.Discard, "", 0)
			secure.EnableHTTP2 = true
			secure.StartTLS()
			env.Defer(secure.Close)
			env.Setenv("SECURE", secure.URL)
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
			if err := os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), ca, 0o600); err != nil {
				return err
			}
			bare := httptest.NewUnstartedServer(fake.New(set, "pod-a", "1", nil))
			bare.Config.Protocols = &http.Protocols{}
			bare.Config.Protocols.SetUnencryptedHTTP2(true)
			bare.Start()
			env.Defer(bare.Close)
			env.Setenv("H2C", bare.URL)
			other := httptest.NewServer(http.HandlerFunc(double))
			env.Defer(other.Close)
			env.Setenv("OTHER", other.URL)
			env.Setenv("RIGHT", right.URL)
			env.Setenv("LOSING", losing.URL)
			return os.WriteFile(filepath.Join(env.WorkDir, "goldens.json"), goldens, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sleep": func(ts *testscript.TestScript, _ bool, args []string) {
				d, err := time.ParseDuration(args[0])
				ts.Check(err)
				time.Sleep(d)
			},
			// code N loadtest ARGS... runs it and checks its exit code.
			"code": code,
		},
	})
}

// double is a service of another kind: it doubles a number, for those who have its key.
func double(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer s3cret" || r.URL.Path != "/double" || r.URL.RawQuery != "fast=1" {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	var in struct{ Number float64 }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := fmt.Fprintf(w, `{"model":{"version":"v3"},"doubled":[%g]}`, 2*in.Number); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func code(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = err.Error()[len("exit status "):]
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
