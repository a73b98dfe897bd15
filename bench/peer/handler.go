package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

// Kinds are the handlers by their names.
func Kinds() map[string]http.Handler {
	return map[string]http.Handler{"decode": http.HandlerFunc(decode), "discard": http.HandlerFunc(discard)}
}

// request is what the handler that decodes reads a body into: concrete types, which is
// the fast way to use encoding/json.
type request struct {
	Inputs []struct {
		Name     string    `json:"name"`
		Shape    []int64   `json:"shape"`
		Datatype string    `json:"datatype"`
		Data     []float32 `json:"data"`
	} `json:"inputs"`
}

var (
	jsonType = []string{"application/json"}
	// same is an answer of the usual length for one row.
	same = []byte(`{"model_name":"gbc","model_version":"1","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[0]},{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[0.98976815,0.010231853]}]}` + "\n")
)

// decode reads the body with encoding/json and always answers the same.
func decode(w http.ResponseWriter, r *http.Request) {
	var body request
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Inputs) == 0 || len(body.Inputs[0].Data) == 0 {
		http.Error(w, "want an inference request", http.StatusBadRequest)
		return
	}
	constant(w)
}

// discard throws the body away and always answers the same: about what net/http costs
// by itself.
func discard(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "the body ended early", http.StatusBadRequest)
		return
	}
	constant(w)
}

func constant(w http.ResponseWriter) {
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(same) // a client that is gone is no matter
}

// Serve serves one of the handlers until ctx ends, and beside it, for whoever counts
// allocations, its metrics: those of Go's memory and the number of requests. The bare
// server has none.
func Serve(ctx context.Context, kind, address, metricsAddress string) error {
	if kind == "bare" {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return serveBare(ctx, listener)
	}
	handler, ok := Kinds()[kind]
	if !ok {
		return fmt.Errorf("no handler %q, want decode, discard or bare", kind)
	}
	var requests atomic.Uint64
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	})
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		// A client that is gone is no matter.
		_, _ = fmt.Fprintf(w, "go_memstats_mallocs_total %d\nrequests_total{} %d\n", memory.Mallocs, requests.Load())
	})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	serve := func(address string, handler http.Handler) error {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		go func() {
			<-ctx.Done()
			_ = server.Close() // Serve returns, which is what is wanted
		}()
		go func() { ended <- server.Serve(listener) }()
		return nil
	}
	if err := errors.Join(serve(address, counted), serve(metricsAddress, metrics)); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
