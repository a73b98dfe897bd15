// Package grpcapi answers the Open Inference Protocol, version 2, over gRPC
// (https://github.com/kserve/open-inference-protocol), with grpc.health.v1 and
// reflection beside it, and ends without losing a call. It decodes requests, asks models
// and encodes answers; it does not load models, and the server beside it decides when to
// end.
package grpcapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // for callers that compress
	"google.golang.org/grpc/encoding/proto"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"

	"rollproof/server/inference"
	pb "rollproof/server/inferencepb"
)

// Config is what a Server needs.
type Config struct {
	Service *inference.Service
	// Ready says whether new callers are welcome, and if not why; nil says always. The
	// beginning of the drain makes the server not ready in any case.
	Ready func() (ready bool, why string)
	// Pod goes into every answer's x-rollproof-pod.
	Pod string
	// Version of the server, for its metadata.
	Version string
	// MaxMessageBytes and MaxRows bound a request, 1 or more.
	MaxMessageBytes, MaxRows int
	// MaxStreams bounds the calls at once on one connection, 1 or more.
	MaxStreams uint32
	// MaxConnectionAge is when a connection is told to end, give or take a tenth at
	// random, so that its caller finds new pods; 0 is never. Calls on it have
	// MaxConnectionAgeGrace, more than 0, to end.
	MaxConnectionAge, MaxConnectionAgeGrace time.Duration
	// HandshakeTimeout is how long TLS and HTTP/2 may take to begin, more than 0: a
	// connection that is not past it holds up the server's end.
	HandshakeTimeout time.Duration
	// DrainDelay is how long Drain serves on, not ready. ShutdownTimeout is how long
	// calls have to end after it, more than 0.
	DrainDelay, ShutdownTimeout time.Duration
	// TLS is used if it is not nil.
	TLS *tls.Config
	// Authorize says whether a caller may, by the values of the metadata authorization
	// and x-api-key. Nil lets everybody; health, ServerLive and ServerReady are open.
	Authorize func(authorization, apiKey string) error
	// Observe is told of every call after its answer is made; nil is not. It must not
	// keep the Call.
	Observe func(ctx context.Context, c *Call)
	// Options are more of grpc-go's, for example a stats handler for traces.
	Options []grpc.ServerOption
	Log     *slog.Logger
}

// check returns an error that names a field without which no server can be.
func (c *Config) check() error {
	switch {
	case c.Service == nil:
		return errors.New("no Service")
	case c.Log == nil:
		return errors.New("no Log")
	case c.MaxMessageBytes < 1:
		return fmt.Errorf("MaxMessageBytes %d: want 1 or more", c.MaxMessageBytes)
	case c.MaxRows < 1:
		return fmt.Errorf("MaxRows %d: want 1 or more", c.MaxRows)
	case c.MaxStreams < 1:
		return fmt.Errorf("MaxStreams %d: want 1 or more", c.MaxStreams)
	case c.MaxConnectionAge < 0:
		return fmt.Errorf("MaxConnectionAge %s: want 0s or more", c.MaxConnectionAge)
	case c.MaxConnectionAge > 0 && c.MaxConnectionAgeGrace <= 0:
		return fmt.Errorf("MaxConnectionAgeGrace %s: want more than 0s", c.MaxConnectionAgeGrace)
	case c.HandshakeTimeout <= 0:
		return fmt.Errorf("HandshakeTimeout %s: want more than 0s", c.HandshakeTimeout)
	case c.DrainDelay < 0:
		return fmt.Errorf("DrainDelay %s: want 0s or more", c.DrainDelay)
	case c.ShutdownTimeout <= 0:
		return fmt.Errorf("ShutdownTimeout %s: want more than 0s", c.ShutdownTimeout)
	}
	return nil
}

// Server answers. Make one with New.
type Server struct {
	config Config
	grpc   *grpc.Server
	limits limits
	header metadata.MD
	pool   scratchPool
	// connections are those that were accepted and are not closed.
	connections connections
	// inFlight are calls being answered, streams those of them that stream.
	inFlight, streams atomic.Int64
	// draining is closed when the drain begins, stopping when the server begins to end.
	draining, stopping     chan struct{}
	announceOnce, stopOnce sync.Once
}

// Times of keepalive. A caller may ask for a sign of life every ten seconds, and a
// connection from which nothing is heard for a minute is asked for one and, without an
// answer, ended: a machine that vanished does not close its connections.
const (
	pingsAtMostEvery = 10 * time.Second
	pingAfter        = time.Minute
	pingTimeout      = 20 * time.Second
)

// headerBytes bounds what a call's header may hold.
const headerBytes = 64 << 10

// New returns a Server, which Serve starts.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("grpcapi: %w", err)
	}
	usual := encoding.GetCodecV2(proto.Name)
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{usual}),
		grpc.MaxRecvMsgSize(c.MaxMessageBytes),
		grpc.MaxConcurrentStreams(c.MaxStreams),
		grpc.MaxHeaderListSize(headerBytes),
		grpc.ConnectionTimeout(c.HandshakeTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsAtMostEvery, PermitWithoutStream: true}),
		// Zeroes are grpc-go's defaults, which are never. It adds the jitter itself.
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: c.MaxConnectionAge, MaxConnectionAgeGrace: c.MaxConnectionAgeGrace,
			Time: pingAfter, Timeout: pingTimeout,
		}),
	}
	if c.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(c.TLS)))
	}
	s := &Server{
		config:   c,
		grpc:     grpc.NewServer(append(options, c.Options...)...),
		limits:   limits{bytes: c.MaxMessageBytes, rows: c.MaxRows},
		header:   metadata.Pairs("x-rollproof-pod", c.Pod),
		draining: make(chan struct{}),
		stopping: make(chan struct{}),
	}
	to := registrar{s}
	pb.RegisterGRPCInferenceServiceServer(to, service{Server: s})
	healthpb.RegisterHealthServer(to, health{Server: s})
	reflection.Register(to)
	return s, nil
}

// Serve answers calls on the listener, which it takes over, until Drain or Stop ends it.
func (s *Server) Serve(on net.Listener) error {
	if err := s.grpc.Serve(s.connections.track(on)); err != nil {
		return fmt.Errorf("serving gRPC on %s: %w", on.Addr(), err)
	}
	return nil
}

// InFlight is how many calls are being answered now, without those that stream.
func (s *Server) InFlight() int64 { return s.inFlight.Load() - s.streams.Load() }

// Connections is how many there are now.
func (s *Server) Connections() int { return s.connections.open() }

// ready says whether new callers are welcome.
func (s *Server) ready() bool {
	select {
	case <-s.draining:
		return false
	default:
	}
	if s.config.Ready == nil {
		return true
	}
	ready, _ := s.config.Ready()
	return ready
}
