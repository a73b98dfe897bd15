package grpcapi

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"

	"rollproof/model"
	"rollproof/server/inference"
	pb "rollproof/server/inferencepb"
	"rollproof/server/repository"
)

// scratch is the memory of one request, used again by later ones.
type scratch struct {
	request request
	decoded decoded
	gives   []model.Value
	out     []byte
}

// maxPooled is the size from which a request's memory is left to the collector: one
// huge request must not make the pool huge for good.
const maxPooled = 1 << 20

// scratchPool holds unused scratches. The zero value is ready.
type scratchPool struct{ pool sync.Pool }

func (p *scratchPool) get() *scratch {
	if s, ok := p.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{}
}

// put takes back the memory and lets go of the message.
func (p *scratchPool) put(s *scratch) {
	message := 0
	if s.request.data != nil {
		message = s.request.data.Len()
		s.request.data.Free()
		s.request.data = nil
	}
	s.request.reset()
	if message > maxPooled || cap(s.out) > maxPooled {
		return
	}
	p.pool.Put(s)
}

// inferHandler is ModelInfer's grpc.MethodHandler, in the place of the generated one.
func (s *Server) inferHandler(implementation any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc.MethodHandler's form
	memory := s.pool.get()
	defer s.pool.put(memory)
	if err := decode(&memory.request); err != nil {
		return nil, err
	}
	if i == nil {
		return s.infer(ctx, memory)
	}
	info := &grpc.UnaryServerInfo{Server: implementation, FullMethod: pb.GRPCInferenceService_ModelInfer_FullMethodName}
	return i(ctx, &memory.request, info, func(ctx context.Context, _ any) (any, error) { return s.infer(ctx, memory) })
}

// infer answers a request for predictions. The message is whole, and not yet read.
func (s *Server) infer(ctx context.Context, memory *scratch) (*answer, error) {
	// grpc-go has read it already: this bounds what waits at the gate.
	size := int64(memory.request.data.Len())
	if !s.config.Service.Bodies.Reserve(size) {
		return nil, s.overloaded(errBodies)
	}
	defer s.config.Service.Bodies.Release(size)
	if err := s.config.Service.Gate.Enter(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, left(ctx)
		}
		return nil, s.overloaded(err)
	}
	defer s.config.Service.Gate.Leave()
	r := &memory.request
	if err := r.parse(r.data.ReadOnlyData()); err != nil {
		return nil, failure(codes.InvalidArgument, reasonInvalidMessage, "the message is not a ModelInferRequest: %v", err)
	}
	c := callOf(ctx)
	c.said.ID = string(r.id)
	e, err := s.acquire(string(r.modelName), string(r.modelVersion), "model_name")
	if err != nil {
		return nil, err
	}
	defer e.Release()
	of := s.by(c, e)
	d := &memory.decoded
	if p := d.decode(r, &e.Model, s.limits); p != nil {
		return nil, p
	}
	memory.gives = model.Sized(memory.gives, len(e.Outputs))
	if err := s.config.Service.Predict(ctx, e, d.in, memory.gives); err != nil {
		return nil, s.unpredicted(ctx, e, err)
	}
	c.said.Rows = d.rows
	memory.out = of.frame.appendResponse(memory.out[:0], r.id, memory.gives, d.wanted, d.raw)
	return &answer{data: mem.BufferSlice{mem.Copy(memory.out, mem.DefaultBufferPool())}}, nil
}

// errBodies says that no memory is left for another message.
var errBodies = errors.New("the messages of other calls take all memory that there is for them")

// overloaded is the answer to a call that there is no room for.
func (s *Server) overloaded(err error) error {
	p := failure(codes.Unavailable, reasonOverloaded, "the server has too much to do: %v; try again later", err)
	p.retry = s.config.Service.Gate.RetryAfter()
	return p
}

// acquire finds a model; path is where in the request its name is.
func (s *Server) acquire(name, version, path string) (*repository.Entry, error) {
	e, err := s.config.Service.Models.Acquire(name, version)
	switch {
	case err == nil:
		return e, nil
	case errors.Is(err, repository.ErrNotReady):
		return nil, failure(codes.Unavailable, reasonModelNotReady, "%v", err)
	}
	return nil, &problem{code: codes.NotFound, reason: reasonModelNotFound, path: path, message: err.Error()}
}

// unpredicted is the answer where a prediction failed.
func (s *Server) unpredicted(ctx context.Context, e *repository.Entry, err error) error {
	switch {
	case errors.Is(err, inference.ErrTime):
		return failure(codes.DeadlineExceeded, reasonPredictTimeout,
			"model %s version %s: %v; send fewer rows a request", e.Name, e.Version, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return left(ctx)
	case errors.Is(err, model.ErrInput):
		return &problem{code: codes.InvalidArgument, reason: reasonInvalidValue, path: "inputs", message: err.Error()}
	}
	s.config.Log.Warn("prediction failed", noted(e), "error", err.Error())
	return failure(codes.Internal, reasonInternal, "model %s version %s: %v", e.Name, e.Version, err)
}

// left is the answer to a caller that has left or whose deadline has passed.
func left(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failure(codes.DeadlineExceeded, reasonCallerLeft, "the call's own deadline passed before there was an answer")
	}
	return failure(codes.Canceled, reasonCallerLeft, "the caller ended the call before there was an answer")
}
