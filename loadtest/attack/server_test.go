package attack_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
)

// The project's server, by its binary: over every protocol that it has, with TLS
// and a key and without, all answers are right, fast requests and slow ones.
func TestTheRealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the server")
	}
	root := filepath.Join("..", "..")
	binary := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-pgo=off", "-o", binary, "./server")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	goldens, err := cases.Load(filepath.Join(root, "model", "breastcancer", "goldens.json"))
	if err != nil {
		t.Fatal(err)
	}
	calls, err := goldens.GRPC()
	if err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(root, "model", "breastcancer", "v1", "model.onnx")
	pool, files := certificate(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a-key-of-16-bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := serveModel(t, binary, "http", model)
	secure := serveModel(t, binary, "https", model, "--unsafe-delay", "1s", "--tls-cert", files[0], "--tls-key", files[1], "--api-keys", key)
	trust := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	tests := []struct {
		name, url string
		protocol  attack.Protocol
		service   cases.Service
	}{
		{"http1", plain.http, attack.HTTP1, goldens},
		{"grpc", plain.grpc, attack.HTTP2, calls},
		{"https", secure.http, attack.HTTP1, goldens},
		{"grpcs", secure.grpc, attack.HTTP2, calls},
	}
	for _, tt := range tests {
		for _, rows := range []int{1, 1000} {
			for _, keepAlive := range []bool{false, true} {
				t.Run(tt.name, func(t *testing.T) {
					cfg := config(tt.url)
					cfg.Protocol, cfg.KeepAlive, cfg.BatchRows, cfg.Rate = tt.protocol, keepAlive, rows, 50
					cfg.Batches, cfg.TLS = 16, trust
					_, _, err := attack.Probe(t.Context(), cfg, tt.service)
					if strings.HasPrefix(tt.url, "https") && err == nil {
						t.Error("a probe without a key was answered")
					}
					cfg.Header = http.Header{"Authorization": {"Bearer a-key-of-16-bytes"}}
					if version, _, err := attack.Probe(t.Context(), cfg, tt.service); version != "1" || err != nil {
						t.Fatalf("version %q, %v", version, err)
					}
					l, _ := sendUntil(t, cfg, tt.service, 40)
					if l.LostTotal() != 0 || l.Masked != 0 || len(l.Pods) != 1 {
						t.Errorf("rows %d, keep-alive %t: masked %d, pods %d, lost %+v", rows, keepAlive, l.Masked, len(l.Pods), l.EarliestLosses())
					}
					if tt.name == "https" && rows == 1 {
						slowly(t, cfg, tt.service)
					}
				})
			}
		}
	}
}

// A slow lane's header holds a request in the server.
func slowly(t *testing.T, cfg attack.Config, service cases.Service) {
	t.Helper()
	cfg.Header = cfg.Header.Clone()
	cfg.Header.Set("X-Rollproof-Delay", "300ms")
	l, _ := sendUntil(t, cfg, service, 10)
	if fastest := time.Duration(l.Latency.Min()) * time.Microsecond; l.LostTotal() != 0 || fastest < 300*time.Millisecond {
		t.Errorf("the fastest answer took %v, lost %+v", fastest, l.EarliestLosses())
	}
}

// certificate writes a certificate for 127.0.0.1 and its key as PEM files, and
// returns who trusts it.
func certificate(t *testing.T) (*x509.CertPool, [2]string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	s.Close()
	pair := s.TLS.Certificates[0]
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := [2]string{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(files[i], pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool, files
}

// address returns one that was free a moment ago.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

type served struct{ http, grpc string }

// serveModel starts the server and waits until it is ready.
func serveModel(t *testing.T, binary, scheme, model string, flags ...string) served {
	t.Helper()
	listen, grpcListen, metrics := address(t), address(t), address(t)
	cmd := exec.Command(binary, append([]string{"--model", model, "--name", "breastcancer", "--listen", listen, "--grpc-listen", grpcListen,
		"--metrics-listen", metrics, "--pod", "here", "--log-level", "warn", "--drain", "off"}, flags...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		resp, err := http.Get("http://" + metrics + "/v2/health/ready")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return served{scheme + "://" + listen, scheme + "://" + grpcListen}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server did not become ready")
	return served{}
}
