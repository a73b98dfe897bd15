package grpcapi

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"rollproof/model"
	"rollproof/server/gate"
	"rollproof/server/inference"
	pb "rollproof/server/inferencepb"
	"rollproof/server/repository"
)

// running is a server on a port of its own, and a client of it.
type running struct {
	*Server
	address string
	conn    *grpc.ClientConn
	client  pb.GRPCInferenceServiceClient
	log     *lines
}

// lines is a log that may be written to while it is read.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// serviceOf serves the models.
func serviceOf(models ...*model.Model) *inference.Service {
	return &inference.Service{
		Models: repository.Of(models...), Gate: gate.New(64, 64, time.Second), Bodies: gate.NewBudget(64 << 20), Timeout: 5 * time.Second,
	}
}

// start serves m in versions 1 and 2 and echo of all datatypes; change may say otherwise.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	r := &running{log: &lines{}}
	c := Config{
		Service: serviceOf(sums("1"), sums("2"), echo("all", datatypes...)), Pod: "pod-0", Version: "v0",
		MaxMessageBytes: 1 << 20, MaxRows: 4, MaxStreams: 256, MaxConnectionAgeGrace: time.Second,
		HandshakeTimeout: time.Second, DrainDelay: 20 * time.Millisecond, ShutdownTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	var err error
	if r.Server, err = New(c); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_ = r.Stop(ctx) // what a test left in flight is cut
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	r.conn = dial(t, r.address)
	r.client = pb.NewGRPCInferenceServiceClient(r.conn)
	return r
}

// dial makes a client's connection, without TLS unless an option says otherwise.
func dial(t *testing.T, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it already
	return conn
}

func TestServer(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	ready.Store(true)
	r := start(t, func(c *Config) {
		c.Ready = func() (bool, string) { return ready.Load(), "the test says so" }
	})
	ctx := t.Context()
	metadata, err := r.client.ServerMetadata(ctx, &pb.ServerMetadataRequest{})
	if d := cmp.Diff(&pb.ServerMetadataResponse{Name: "rollproof", Version: "v0"}, metadata, protocmp.Transform()); d != "" || err != nil {
		t.Errorf("ServerMetadata: %v (-want +got):\n%s", err, d)
	}
	live, err := r.client.ServerLive(ctx, &pb.ServerLiveRequest{})
	if err != nil || !live.GetLive() {
		t.Errorf("ServerLive: %v, %v", live, err)
	}
	answer, err := r.client.ServerReady(ctx, &pb.ServerReadyRequest{})
	if err != nil || !answer.GetReady() {
		t.Errorf("ServerReady: %v, %v", answer, err)
	}
	ready.Store(false)
	answer, err = r.client.ServerReady(ctx, &pb.ServerReadyRequest{})
	if err != nil || answer.GetReady() {
		t.Errorf("ServerReady of a server that is not: %v, %v", answer, err)
	}
	if _, err := r.client.ModelInfer(ctx, floats(1, 2)); err != nil {
		t.Errorf("ModelInfer of a server that is not ready: %v, want an answer: callers that are there are served", err)
	}
}

func TestModelMetadata(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	tensor := func(name, datatype string, shape ...int64) *pb.ModelMetadataResponse_TensorMetadata {
		return &pb.ModelMetadataResponse_TensorMetadata{Name: name, Datatype: datatype, Shape: shape}
	}
	for version, versions := range map[string][]string{"": {"1", "2"}, "1": {"1"}} {
		want := &pb.ModelMetadataResponse{
			Name: "m", Versions: versions, Platform: "test_v1",
			Inputs:     []*pb.ModelMetadataResponse_TensorMetadata{tensor("X", "FP32", -1, 2)},
			Outputs:    []*pb.ModelMetadataResponse_TensorMetadata{tensor("label", "INT64", -1), tensor("p", "FP32", -1, 2)},
			Properties: map[string]string{"producer": "test", "trees": "3"},
		}
		got, err := r.client.ModelMetadata(t.Context(), &pb.ModelMetadataRequest{Name: "m", Version: version})
		if d := cmp.Diff(want, got, protocmp.Transform()); d != "" || err != nil {
			t.Errorf("version %q: %v (-want +got):\n%s", version, err, d)
		}
		ready, err := r.client.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "m", Version: version})
		if err != nil || !ready.GetReady() {
			t.Errorf("version %q ready: %v, %v", version, ready, err)
		}
	}
}

func TestAnswersSayWhoAnswers(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	for name, test := range map[string]struct {
		call func(context.Context, ...grpc.CallOption) error
		want metadata.MD
	}{
		"the highest version": {
			func(ctx context.Context, o ...grpc.CallOption) error {
				_, err := r.client.ModelInfer(ctx, floats(1, 2), o...)
				return err
			},
			metadata.Pairs("x-rollproof-pod", "pod-0", "x-rollproof-model", "m", "x-rollproof-version", "2"),
		},
		"a version": {
			func(ctx context.Context, o ...grpc.CallOption) error {
				_, err := r.client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "m", Version: "1"}, o...)
				return err
			},
			metadata.Pairs("x-rollproof-pod", "pod-0", "x-rollproof-model", "m", "x-rollproof-version", "1"),
		},
		"a refused request": {
			func(ctx context.Context, o ...grpc.CallOption) error {
				if _, err := r.client.ModelInfer(ctx, floats(), o...); err == nil {
					t.Error("no rows are answered")
				}
				return nil
			},
			metadata.Pairs("x-rollproof-pod", "pod-0", "x-rollproof-model", "m", "x-rollproof-version", "2"),
		},
		"no model": {
			func(ctx context.Context, o ...grpc.CallOption) error {
				_, err := r.client.ServerLive(ctx, &pb.ServerLiveRequest{}, o...)
				return err
			},
			metadata.Pairs("x-rollproof-pod", "pod-0"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var header metadata.MD
			if err := test.call(t.Context(), grpc.Header(&header)); err != nil {
				t.Fatal(err)
			}
			delete(header, "content-type")
			if d := cmp.Diff(test.want, header); d != "" {
				t.Errorf("header (-want +got):\n%s", d)
			}
		})
	}
}

func TestObserveIsToldOfEveryCall(t *testing.T) {
	t.Parallel()
	told := make(chan Call, 1)
	r := start(t, func(c *Config) {
		c.Observe = func(_ context.Context, c *Call) { told <- *c }
	})
	ok := floats(1, 2, 3, 4)
	ok.Id = "7"
	wrong := floats(1, 2)
	wrong.Inputs[0].Datatype = "FP64"
	for _, test := range []struct {
		request *pb.ModelInferRequest
		want    Call
	}{
		{ok, Call{Model: "m", Version: "2", ID: "7", Code: codes.OK, Rows: 2}},
		{wrong, Call{Model: "m", Version: "2", Code: codes.InvalidArgument}},
		{&pb.ModelInferRequest{ModelName: "other"}, Call{Code: codes.NotFound}},
	} {
		_, err := r.client.ModelInfer(t.Context(), test.request)
		got := <-told
		if got.Took <= 0 || got.Took > time.Minute {
			t.Errorf("took %s", got.Took)
		}
		if status.Convert(got.Err).Message() != status.Convert(err).Message() {
			t.Errorf("told of %v, the caller of %v", got.Err, err)
		}
		got.Took, got.Err = 0, nil
		test.want.Method = pb.GRPCInferenceService_ModelInfer_FullMethodName
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("call (-want +got):\n%s", d)
		}
	}
	if n := r.InFlight(); n != 0 {
		t.Errorf("%d in flight, want 0", n)
	}
}

func TestPanicCostsOneCall(t *testing.T) {
	t.Parallel()
	bad := sums("1")
	bad.Name = "bad"
	bad.Predictor = predictor(func(context.Context, []model.Value, []model.Value) error { panic("of the test") })
	r := start(t, func(c *Config) { c.Service = serviceOf(sums("1"), bad) })
	request := floats(1, 2)
	request.ModelName = "bad"
	_, err := r.client.ModelInfer(t.Context(), request)
	wantProblem(t, err, codes.Internal, reasonInternal, "")
	if strings.Contains(err.Error(), "of the test") {
		t.Errorf("%v: the caller is told the server's inside", err)
	}
	if log := r.log.String(); !strings.Contains(log, "of the test") || !strings.Contains(log, "server_test.go") {
		t.Errorf("log %s, want the panic and where it was", log)
	}
	if _, err := r.client.ModelInfer(t.Context(), floats(1, 2)); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if n := r.config.Service.Gate.Inside(); n != 0 {
		t.Errorf("%d places are still held", n)
	}
	if n := r.config.Service.Bodies.Used(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

func TestCompressedCalls(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	got, err := r.client.ModelInfer(t.Context(), floats(1, 2, -3, -4), grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{1, 0}, got.GetOutputs()[0].GetContents().GetInt64Contents()); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"no Service":                 func(c *Config) { c.Service = nil },
		"no Log":                     func(c *Config) { c.Log = nil },
		"MaxMessageBytes 0":          func(c *Config) { c.MaxMessageBytes = 0 },
		"MaxRows -1":                 func(c *Config) { c.MaxRows = -1 },
		"MaxStreams 0":               func(c *Config) { c.MaxStreams = 0 },
		"MaxConnectionAge -1s":       func(c *Config) { c.MaxConnectionAge = -time.Second },
		"MaxConnectionAgeGrace 0s":   func(c *Config) { c.MaxConnectionAgeGrace = 0 },
		"HandshakeTimeout 0s":        func(c *Config) { c.HandshakeTimeout = 0 },
		"DrainDelay -1s: want 0s or": func(c *Config) { c.DrainDelay = -time.Second },
		"ShutdownTimeout 0s":         func(c *Config) { c.ShutdownTimeout = 0 },
	} {
		c := Config{
			Service: serviceOf(), Log: slog.New(slog.DiscardHandler), MaxMessageBytes: 1, MaxRows: 1, MaxStreams: 1,
			MaxConnectionAge: time.Second, MaxConnectionAgeGrace: time.Second, HandshakeTimeout: time.Second, ShutdownTimeout: time.Second,
		}
		if _, err := New(c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}
