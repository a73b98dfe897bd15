package grpcapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "rollproof/server/inferencepb"
	"rollproof/server/repository"
)

// Call is what there is to say of an answered call.
type Call struct {
	// Method by its full name, for example "/inference.GRPCInferenceService/ModelInfer".
	Method string
	// Model and Version that answered, from the repository and not from the request;
	// empty if none did.
	Model, Version string
	// ID that the caller gave; empty if none.
	ID   string
	Code codes.Code
	// Rows that were predicted.
	Rows int
	// Took is the time from the message's arrival to its answer.
	Took time.Duration
	// Err is what the caller was told; nil for OK.
	Err error
}

// call is a call while it is answered. It is the context of it too.
type call struct {
	context.Context
	said  Call
	start time.Time
	// header is what the answer carries.
	header metadata.MD
}

// callKey finds the call in its context.
type callKey struct{}

// Value implements context.Context.
func (c *call) Value(key any) any {
	if _, ok := key.(callKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// callOf is the call that the context is of.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// served is what is made once for each model.
type served struct {
	header metadata.MD
	frame  *frame
}

// by notes which model answers the call.
func (s *Server) by(c *call, e *repository.Entry) *served {
	v, _ := e.Attach(s, func() any {
		return &served{
			header: metadata.Pairs("x-rollproof-pod", s.config.Pod, "x-rollproof-model", e.Name, "x-rollproof-version", e.Version),
			frame:  newFrame(&e.Model),
		}
	}).(*served)
	c.said.Model, c.said.Version, c.header = e.Name, e.Version, v.header
	return v
}

// begin starts a call.
func (s *Server) begin(ctx context.Context, method string) *call {
	s.inFlight.Add(1)
	return &call{Context: ctx, said: Call{Method: method}, start: time.Now(), header: s.header}
}

// end ends a call: a panic becomes an answer, as one request's bug must not cost its
// neighbours, and what happened is told to Observe.
func (s *Server) end(c *call, err *error) {
	if p := recover(); p != nil {
		s.config.Log.Error("panic", "method", c.said.Method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = failure(codes.Internal, reasonInternal, "the server failed on this request; its log says where")
	}
	// These fail only where the caller is gone already.
	_ = grpc.SetHeader(c.Context, c.header)
	var p *problem
	if errors.As(*err, &p) && p.retry > 0 {
		_ = grpc.SetTrailer(c.Context, metadata.Pairs("grpc-retry-pushback-ms", strconv.FormatInt(p.retry.Milliseconds(), 10)))
	}
	s.inFlight.Add(-1)
	if s.config.Observe == nil {
		return
	}
	c.said.Took, c.said.Err, c.said.Code = time.Since(c.start), *err, status.Code(*err)
	if *err != nil && c.said.Code == codes.Unknown {
		c.said.Code = status.FromContextError(*err).Code()
	}
	s.config.Observe(c.Context, &c.said)
}

// open says which methods need no key: probes have none.
func open(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.v1.Health/") ||
		method == pb.GRPCInferenceService_ServerLive_FullMethodName ||
		method == pb.GRPCInferenceService_ServerReady_FullMethodName
}

// authorize asks whether the caller may.
func (s *Server) authorize(ctx context.Context, method string) error {
	if s.config.Authorize == nil || open(method) {
		return nil
	}
	if err := s.config.Authorize(first(ctx, "authorization"), first(ctx, "x-api-key")); err != nil {
		return failure(codes.Unauthenticated, reasonUnauthorized,
			"%v; want it in the metadata: authorization, as \"Bearer KEY\", or x-api-key", err)
	}
	return nil
}

// first is a metadata value of the caller's, empty if there is none.
func first(ctx context.Context, key string) string {
	if values := metadata.ValueFromIncomingContext(ctx, key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// registrar registers services whose every call goes through begin and end.
type registrar struct{ *Server }

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (r registrar) GetServiceInfo() map[string]grpc.ServiceInfo { return r.grpc.GetServiceInfo() }

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(d *grpc.ServiceDesc, implementation any) {
	wrapped := *d
	wrapped.Methods = slices.Clone(d.Methods)
	for i := range wrapped.Methods {
		m := &wrapped.Methods[i]
		full := "/" + d.ServiceName + "/" + m.MethodName
		if full == pb.GRPCInferenceService_ModelInfer_FullMethodName {
			m.Handler = r.inferHandler
		}
		m.Handler = r.unary(full, m.Handler)
	}
	wrapped.Streams = slices.Clone(d.Streams)
	for i := range wrapped.Streams {
		s := &wrapped.Streams[i]
		s.Handler = r.stream("/"+d.ServiceName+"/"+s.StreamName, s.Handler)
	}
	r.grpc.RegisterService(&wrapped, implementation)
}

// unary wraps a method. It is no interceptor, because those do not see messages that
// cannot be read.
func (s *Server) unary(method string, next grpc.MethodHandler) grpc.MethodHandler {
	return func(implementation any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (_ any, err error) {
		c := s.begin(ctx, method)
		defer s.end(c, &err)
		if err := s.authorize(ctx, method); err != nil {
			return nil, err
		}
		return next(implementation, c, func(v any) error { //nolint:contextcheck // c is the context
			if err := decode(v); err != nil {
				return failure(codes.InvalidArgument, reasonInvalidMessage, "%s", status.Convert(err).Message())
			}
			return nil
		}, i)
	}
}

// stream wraps a method that streams: reflection and the watching of health. Their
// callers hold them for as long as they like, so they end when the server does: it
// would wait for them in vain.
func (s *Server) stream(method string, next grpc.StreamHandler) grpc.StreamHandler {
	return func(implementation any, stream grpc.ServerStream) (err error) {
		c := s.begin(stream.Context(), method)
		c.header = nil
		_ = stream.SetHeader(s.header) // fails only where the caller is gone already
		s.streams.Add(1)
		defer s.end(c, &err)
		defer s.streams.Add(-1)
		if err := s.authorize(c.Context, method); err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() {
			defer func() {
				if p := recover(); p != nil {
					s.config.Log.Error("panic", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
					done <- failure(codes.Internal, reasonInternal, "the server failed on this request; its log says where")
				}
			}()
			done <- next(implementation, stream)
		}()
		select {
		case err := <-done:
			return err
		case <-s.stopping:
			// What runs on ends with the stream's context, which ends with this return.
			return failure(codes.Unavailable, reasonStopping, "the server ends; ask another")
		}
	}
}

// noted adds which model answers to the log's line of a failed prediction.
func noted(e *repository.Entry) slog.Attr {
	return slog.Group("model", "name", e.Name, "version", e.Version)
}
