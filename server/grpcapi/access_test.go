package grpcapi

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"rollproof/server/access"
	"rollproof/server/access/accesstest"
	pb "rollproof/server/inferencepb"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	const key = "a key of some length"
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := access.ReadKeys(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) {
		c.Authorize = func(authorization, apiKey string) error { return keys.Check(access.FromHeader(authorization, apiKey)) }
	})
	// Whoever probes has no key.
	if _, err := r.client.ServerLive(t.Context(), &pb.ServerLiveRequest{}); err != nil {
		t.Errorf("ServerLive without a key: %v", err)
	}
	if _, err := r.client.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil {
		t.Errorf("ServerReady without a key: %v", err)
	}
	if _, err := healthpb.NewHealthClient(r.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health without a key: %v", err)
	}
	for name, test := range map[string]struct {
		shown metadata.MD
		ok    bool
	}{
		"none":              {nil, false},
		"another":           {metadata.Pairs("x-api-key", "another key of some length"), false},
		"as another scheme": {metadata.Pairs("authorization", "Basic "+key), false},
		"as bearer":         {metadata.Pairs("authorization", "bearer "+key), true},
		"as x-api-key":      {metadata.Pairs("x-api-key", key), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := metadata.NewOutgoingContext(t.Context(), test.shown)
			_, inferred := r.client.ModelInfer(ctx, floats(1, 2))
			_, described := r.client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "m"})
			stream, reflected := reflectionpb.NewServerReflectionClient(r.conn).ServerReflectionInfo(ctx)
			if reflected == nil {
				_ = stream.Send(&reflectionpb.ServerReflectionRequest{ // Recv says what came of it
					MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
				})
				_, reflected = stream.Recv()
			}
			for _, err := range []error{inferred, described, reflected} {
				if test.ok {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				wantProblem(t, err, codes.Unauthenticated, reasonUnauthorized, "")
				if strings.Contains(status.Convert(err).Message(), key) {
					t.Errorf("%v tells the key", err)
				}
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, other := accesstest.New(t), accesstest.New(t)
	ours.Issue(t, "server")
	known, stranger := ours.Issue(t, "client"), other.Issue(t, "client")
	secure := func(with *tls.Config) grpc.DialOption { return grpc.WithTransportCredentials(credentials.NewTLS(with)) }
	for name, test := range map[string]struct {
		clientCA string
		client   *tls.Config // nil is no TLS
		ok       bool
	}{
		"a client without a certificate":                     {"", &tls.Config{RootCAs: ours.Pool, MinVersion: tls.VersionTLS12}, true},
		"a client that trusts another":                       {"", &tls.Config{RootCAs: other.Pool, MinVersion: tls.VersionTLS12}, false},
		"a client without TLS":                               {"", nil, false},
		"a certificate that is asked for":                    {"ca", &tls.Config{RootCAs: ours.Pool, Certificates: []tls.Certificate{known}, MinVersion: tls.VersionTLS12}, true},
		"no certificate where one is asked for":              {"ca", &tls.Config{RootCAs: ours.Pool, MinVersion: tls.VersionTLS12}, false},
		"a certificate of another where one is asked for":    {"ca", &tls.Config{RootCAs: ours.Pool, Certificates: []tls.Certificate{stranger}, MinVersion: tls.VersionTLS12}, false},
		"a certificate where none is asked for does no harm": {"", &tls.Config{RootCAs: ours.Pool, Certificates: []tls.Certificate{known}, MinVersion: tls.VersionTLS12}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := access.Files{Certificate: ours.File("server"), Key: ours.File("server.key")}
			if test.clientCA != "" {
				files.ClientCA = ours.File(test.clientCA)
			}
			config, err := access.TLS(files, slog.New(slog.DiscardHandler), "h2")
			if err != nil {
				t.Fatal(err)
			}
			r := start(t, func(c *Config) { c.TLS = config })
			conn := r.conn
			if test.client != nil {
				conn = dial(t, r.address, secure(test.client))
			}
			_, err = pb.NewGRPCInferenceServiceClient(conn).ModelInfer(t.Context(), floats(1, 2))
			if test.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if status.Code(err) != codes.Unavailable {
				t.Errorf("%v, want no connection", err)
			}
		})
	}
}
