package grpcapi

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"rollproof/model"
	"rollproof/server/gate"
	pb "rollproof/server/inferencepb"
)

// held is a model whose predictions wait until they are let go. entered is told of each.
type held struct {
	*model.Model
	entered, letGo chan struct{}
}

func newHeld() *held {
	h := &held{Model: sums("1"), entered: make(chan struct{}, 64), letGo: make(chan struct{})}
	plain := h.Predictor
	h.Predictor = predictor(func(ctx context.Context, in, out []model.Value) error {
		h.entered <- struct{}{}
		for {
			select {
			case <-h.letGo:
				return plain.Predict(ctx, in, out)
			case <-time.After(time.Millisecond): // as compute does, it asks now and then
				if err := ctx.Err(); err != nil {
					return err
				}
			}
		}
	})
	return h
}

// hold begins a call that is held, and returns where its end is told.
func (r *running) hold(t *testing.T, h *held) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := r.client.ModelInfer(context.WithoutCancel(t.Context()), floats(1, 2))
		done <- err
	}()
	select {
	case <-h.entered:
	case <-time.After(5 * time.Second):
		t.Fatal("the call did not reach the model")
	}
	return done
}

// TestOverload: what there is no room for is turned away at once, told when to come
// again, and answered when it does.
func TestOverload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config)
		says   string
		retry  time.Duration
	}{
		"no place and no queue": {func(c *Config) { c.Service.Gate = gate.New(1, 0, 1500*time.Millisecond) }, "as many requests wait as may", 2 * time.Second},
		"a wait too long":       {func(c *Config) { c.Service.Gate = gate.New(1, 1, 20*time.Millisecond) }, "no place came free in time", time.Second},
		"no memory for bodies":  {func(c *Config) { c.Service.Bodies = gate.NewBudget(10) }, "take all memory", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHeld()
			r := start(t, func(c *Config) {
				c.Service = serviceOf(h.Model)
				test.change(c)
			})
			first := r.hold(t, h)
			var trailer metadata.MD
			begin := time.Now()
			_, err := r.client.ModelInfer(t.Context(), floats(1, 2), grpc.Trailer(&trailer))
			if took := time.Since(begin); took > time.Second {
				t.Errorf("turned away after %s", took)
			}
			retry := wantProblem(t, err, codes.Unavailable, reasonOverloaded, "")
			if retry != test.retry || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, to be tried again after %s; want %q after %s", err, retry, test.says, test.retry)
			}
			want := map[time.Duration]string{time.Second: "1000", 2 * time.Second: "2000"}[test.retry]
			if got := trailer.Get("grpc-retry-pushback-ms"); len(got) != 1 || got[0] != want {
				t.Errorf("pushback %q, want %q", got, want)
			}
			close(h.letGo)
			if err := <-first; err != nil {
				t.Errorf("the first call: %v", err)
			}
			if _, err := r.client.ModelInfer(t.Context(), floats(1, 2)); err != nil {
				t.Errorf("when there is room again: %v", err)
			}
		})
	}
}

// TestMetadataPassesTheCrowd: what is not computed needs no place.
func TestMetadataPassesTheCrowd(t *testing.T) {
	t.Parallel()
	h := newHeld()
	r := start(t, func(c *Config) {
		c.Service = serviceOf(h.Model)
		c.Service.Gate = gate.New(1, 0, time.Second)
	})
	first := r.hold(t, h)
	if _, err := r.client.ModelMetadata(t.Context(), &pb.ModelMetadataRequest{Name: "m"}); err != nil {
		t.Error(err)
	}
	if _, err := r.client.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil {
		t.Error(err)
	}
	close(h.letGo)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	t.Run("the server's", func(t *testing.T) {
		t.Parallel()
		h := newHeld()
		r := start(t, func(c *Config) {
			c.Service = serviceOf(h.Model)
			c.Service.Timeout = 30 * time.Millisecond
		})
		_, err := r.client.ModelInfer(t.Context(), floats(1, 2))
		wantProblem(t, err, codes.DeadlineExceeded, reasonPredictTimeout, "")
		if !strings.Contains(err.Error(), "more than 30ms") {
			t.Errorf("%v does not say after what time", err)
		}
	})
	t.Run("the caller's", func(t *testing.T) {
		t.Parallel()
		h := newHeld()
		told := make(chan Call, 2)
		r := start(t, func(c *Config) {
			c.Service = serviceOf(h.Model)
			c.Observe = func(_ context.Context, c *Call) { told <- *c }
		})
		for _, test := range []struct {
			end  func(context.Context) (context.Context, context.CancelFunc)
			want codes.Code
		}{
			{func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 30*time.Millisecond)
			}, codes.DeadlineExceeded},
			{func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(30*time.Millisecond, cancel)
				return ctx, cancel
			}, codes.Canceled},
		} {
			ctx, cancel := test.end(t.Context())
			_, err := r.client.ModelInfer(ctx, floats(1, 2))
			cancel()
			if status.Code(err) != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
			// The caller is gone: what the server made of it is for the log alone.
			call := <-told
			wantProblem(t, call.Err, call.Code, reasonCallerLeft, "")
			if call.Code != codes.Canceled && call.Code != codes.DeadlineExceeded {
				t.Errorf("the log has code %s", call.Code)
			}
		}
		if n := r.config.Service.Gate.Inside(); n != 0 {
			t.Errorf("%d places are still held", n)
		}
	})
	t.Run("the caller's, at the gate", func(t *testing.T) {
		t.Parallel()
		h := newHeld()
		r := start(t, func(c *Config) {
			c.Service = serviceOf(h.Model)
			c.Service.Gate = gate.New(1, 1, time.Minute)
		})
		first := r.hold(t, h)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := r.client.ModelInfer(ctx, floats(1, 2)); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v, want %s", err, codes.DeadlineExceeded)
		}
		close(h.letGo)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestMessageSize(t *testing.T) {
	t.Parallel()
	const most = 1000
	r := start(t, func(c *Config) {
		c.MaxMessageBytes, c.MaxRows = most, most
		c.Service = serviceOf(echo("all", model.Bytes))
	})
	ask := func(text int) error {
		_, err := r.client.ModelInfer(t.Context(), &pb.ModelInferRequest{ModelName: "all", Inputs: []*pb.ModelInferRequest_InferInputTensor{{
			Name: "in_BYTES", Datatype: "BYTES", Shape: []int64{1, 1},
			Contents: &pb.InferTensorContents{BytesContents: [][]byte{make([]byte, text)}},
		}}})
		return err
	}
	if err := ask(most - 100); err != nil {
		t.Errorf("a message below the limit: %v", err)
	}
	if err := ask(most); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "1000") {
		t.Errorf("a message above it: %v, want %s with the limit", err, codes.ResourceExhausted)
	}
	if err := ask(most - 100); err != nil {
		t.Errorf("the next on that connection: %v", err)
	}
}
