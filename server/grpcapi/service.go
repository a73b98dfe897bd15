package grpcapi

import (
	"context"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"rollproof/model"
	"rollproof/server/inference"
	pb "rollproof/server/inferencepb"
)

// service answers what is not ModelInfer, which inferHandler answers.
type service struct {
	pb.UnimplementedGRPCInferenceServiceServer
	*Server
}

// ServerLive implements the protocol.
func (service) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady implements the protocol.
func (s service) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: s.ready()}, nil
}

// ModelReady implements the protocol.
func (s service) ModelReady(ctx context.Context, r *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	e, err := s.acquire(r.GetName(), r.GetVersion(), "name")
	switch {
	case status.Code(err) == codes.Unavailable:
		return &pb.ModelReadyResponse{}, nil
	case err != nil:
		return nil, err
	}
	defer e.Release()
	s.by(callOf(ctx), e)
	return &pb.ModelReadyResponse{Ready: true}, nil
}

// ServerMetadata implements the protocol.
func (s service) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: "rollproof", Version: s.config.Version}, nil
}

// ModelMetadata implements the protocol.
func (s service) ModelMetadata(ctx context.Context, r *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	e, err := s.acquire(r.GetName(), r.GetVersion(), "name")
	if err != nil {
		return nil, err
	}
	defer e.Release()
	s.by(callOf(ctx), e)
	versions := []string{e.Version}
	if r.GetVersion() == "" {
		versions = s.config.Service.Models.Versions(e.Name)
	}
	return &pb.ModelMetadataResponse{
		Name: e.Name, Versions: versions, Platform: inference.Platform(e.Format),
		Inputs: describe(e.Inputs), Outputs: describe(e.Outputs), Properties: properties(&e.Summary),
	}, nil
}

// describe is tensors' metadata.
func describe(tensors []model.Tensor) []*pb.ModelMetadataResponse_TensorMetadata {
	list := make([]*pb.ModelMetadataResponse_TensorMetadata, len(tensors))
	for i, t := range tensors {
		list[i] = &pb.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape}
	}
	return list
}

// properties are what a model's file says beyond its tensors.
func properties(s *model.Summary) map[string]string {
	all := map[string]string{}
	for name, text := range map[string]string{"producer": s.Producer, "objective": s.Objective} {
		if text != "" {
			all[name] = text
		}
	}
	for name, n := range map[string]int{"trees": s.Trees, "depth": s.Depth} {
		if n > 0 {
			all[name] = strconv.Itoa(n)
		}
	}
	return all
}
