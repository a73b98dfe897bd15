package grpcapi

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "rollproof/server/inferencepb"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
	unknown    = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
)

func TestHealth(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	client := healthpb.NewHealthClient(r.conn)
	check := func(service string, want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != want {
			t.Errorf("%q: %v, %v, want %s", service, got, err, want)
		}
	}
	services := []string{"", "inference.GRPCInferenceService", "m", "m/1", "m/2", "all", "all/1"}
	for _, service := range services {
		check(service, serving)
	}
	for _, service := range []string{"m/3", "n", "inference"} {
		_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		wantProblem(t, err, codes.NotFound, reasonModelNotFound, "service")
	}
	all, err := client.List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range services {
		if got := all.GetStatuses()[service].GetStatus(); got != serving {
			t.Errorf("in the list %q is %s, want %s", service, got, serving)
		}
	}
	if len(all.GetStatuses()) != len(services) {
		t.Errorf("the list has %d services, want %d", len(all.GetStatuses()), len(services))
	}
	r.Announce()
	for _, service := range services {
		check(service, notServing)
	}
}

// watch is the next status of a service that is watched.
func watch(t *testing.T, conn *grpc.ClientConn, service string) func() (healthpb.HealthCheckResponse_ServingStatus, error) {
	t.Helper()
	stream, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	return func() (healthpb.HealthCheckResponse_ServingStatus, error) {
		answer, err := stream.Recv()
		return answer.GetStatus(), err
	}
}

func TestWatchedHealth(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	ready.Store(true)
	r := start(t, func(c *Config) { c.Ready = func() (bool, string) { return ready.Load(), "" } })
	server, of, missing := watch(t, r.conn, ""), watch(t, r.conn, "m/1"), watch(t, r.conn, "n")
	expect := func(next func() (healthpb.HealthCheckResponse_ServingStatus, error), want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got, err := next(); err != nil || got != want {
			t.Fatalf("%s, %v, want %s", got, err, want)
		}
	}
	expect(server, serving)
	expect(of, serving)
	expect(missing, unknown)
	ready.Store(false) // as it is while all models fail to load; seen at the next look
	expect(server, notServing)
	expect(of, notServing)
	ready.Store(true)
	expect(server, serving)
	expect(of, serving)
	// The drain is told at once, not at the next look.
	begin := time.Now()
	r.Announce()
	expect(server, notServing)
	expect(of, notServing)
	if took := time.Since(begin); took > watched/2 {
		t.Errorf("the drain was told after %s", took)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(t.Context()) }()
	for _, next := range []func() (healthpb.HealthCheckResponse_ServingStatus, error){server, of, missing} {
		_, err := next()
		wantProblem(t, err, codes.Unavailable, reasonStopping, "")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestReflection(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	stream, err := reflectionpb.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(request *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var services []string
	list := ask(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	for _, s := range list.GetListServicesResponse().GetService() {
		services = append(services, s.GetName())
	}
	if d := cmp.Diff([]string{
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"inference.GRPCInferenceService",
	}, services); d != "" {
		t.Errorf("services (-want +got):\n%s", d)
	}
	of := ask(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{
		FileContainingSymbol: "inference.GRPCInferenceService",
	}})
	files := of.GetFileDescriptorResponse().GetFileDescriptorProto()
	if len(files) != 1 {
		t.Fatalf("%d files, want 1", len(files))
	}
	var file descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(files[0], &file); err != nil {
		t.Fatal(err)
	}
	if got, want := len(file.GetService()[0].GetMethod()), len(pb.GRPCInferenceService_ServiceDesc.Methods); got != want {
		t.Errorf("%d methods, want %d", got, want)
	}
	// A stream that its caller ends, ends well.
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end; %s", err, status.Code(err))
	}
}
