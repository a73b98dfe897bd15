package grpcapi

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "rollproof/server/inferencepb"
	"rollproof/server/repository"
)

// health is grpc.health.v1. A service's name is "" or the protocol's for the server, or
// NAME or NAME/VERSION of a model. It asks when it is asked, where grpc-go's own would
// have to be told of every change in the repository.
type health struct {
	healthpb.UnimplementedHealthServer
	*Server
}

// watched is how often a watched status is looked at. The beginning of the drain wakes
// every watcher at once.
const watched = time.Second

// of is the status of a service.
func (h health) of(name string) healthpb.HealthCheckResponse_ServingStatus {
	serving := func(yes bool) healthpb.HealthCheckResponse_ServingStatus {
		if yes {
			return healthpb.HealthCheckResponse_SERVING
		}
		return healthpb.HealthCheckResponse_NOT_SERVING
	}
	if name == "" || name == pb.GRPCInferenceService_ServiceDesc.ServiceName {
		return serving(h.ready())
	}
	models := h.config.Service.Models
	known := false
	for _, s := range models.Status() {
		if s.Name != name && s.Name+"/"+s.Version != name {
			continue
		}
		known = true
		if s.State == repository.Ready {
			return serving(h.ready())
		}
	}
	if !known {
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}

// Check implements grpc.health.v1.
func (h health) Check(_ context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	s := h.of(r.GetService())
	if s == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, &problem{
			code: codes.NotFound, reason: reasonModelNotFound, path: "service",
			message: "no such service, want \"\", " + pb.GRPCInferenceService_ServiceDesc.ServiceName + ", MODEL or MODEL/VERSION",
		}
	}
	return &healthpb.HealthCheckResponse{Status: s}, nil
}

// List implements grpc.health.v1.
func (h health) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	names := []string{"", pb.GRPCInferenceService_ServiceDesc.ServiceName}
	for _, s := range h.config.Service.Models.Status() {
		names = append(names, s.Name, s.Name+"/"+s.Version)
	}
	all := make(map[string]*healthpb.HealthCheckResponse, len(names))
	for _, name := range names {
		all[name] = &healthpb.HealthCheckResponse{Status: h.of(name)}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch implements grpc.health.v1. It ends with the server (see stream).
func (h health) Watch(r *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	last := healthpb.HealthCheckResponse_UNKNOWN
	ticker := time.NewTicker(watched)
	defer ticker.Stop()
	draining := h.draining
	for {
		if s := h.of(r.GetService()); s != last {
			last = s
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: s}); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-draining:
			draining = nil // it stays closed: once is enough
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
