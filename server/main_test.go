package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"server": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	artifact, err := filepath.Abs(filepath.Join("..", "model", "breastcancer", "v1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ARTIFACT", artifact)
			return nil
		},
	})
}

// modelsFolder lays the shipped versions out as the image does.
func modelsFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, version := range []string{"1", "2"} {
		data, err := os.ReadFile(filepath.Join("..", "model", "breastcancer", "v"+version, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		place := filepath.Join(folder, "breastcancer", version)
		if err := os.MkdirAll(place, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(place, "model.onnx"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// entry is a line of the log.
type entry struct {
	Message       string `json:"msg"`
	State         string `json:"state"`
	Listen        string `json:"listen"`
	MetricsListen string `json:"metrics_listen"`
	Error         string `json:"error"`
}

// program runs the whole server until the test stops it.
type program struct {
	signals chan os.Signal
	code    chan int
	entries *bufio.Scanner
}

func startProgram(t *testing.T, args ...string) (*program, entry) {
	t.Helper()
	read, write := io.Pipe()
	p := &program{signals: make(chan os.Signal, 2), code: make(chan int, 1), entries: bufio.NewScanner(read)}
	args = append([]string{
		"--models", modelsFolder(t), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
		"--pod", "pod-7", "--drain-delay", "200ms",
	}, args...)
	go func() {
		p.code <- run(context.Background(), p.signals, args, nil, nil, io.Discard, write)
		_ = write.Close() // never fails
	}()
	return p, p.until(t, func(e entry) bool { return e.Message == "ready" })
}

// until reads the log up to the entry that is looked for.
func (p *program) until(t *testing.T, found func(entry) bool) entry {
	t.Helper()
	for p.entries.Scan() {
		var e entry
		if err := json.Unmarshal(p.entries.Bytes(), &e); err != nil {
			t.Fatalf("log line %s: %v", p.entries.Text(), err)
		}
		if found(e) {
			return e
		}
	}
	t.Fatal("the log ended")
	return entry{}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.DefaultClient.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// metricsWith waits until the metrics have a text, and returns them.
func metricsWith(t *testing.T, ready entry, want string, within time.Duration) string {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		_, body := get(t, "http://"+ready.MetricsListen+"/metrics")
		if strings.Contains(body, want) {
			return body
		}
		if time.Now().After(end) {
			t.Fatalf("metrics lack %q after %s", want, within)
		}
	}
}

func TestServeAndDrain(t *testing.T) {
	t.Parallel()
	p, ready := startProgram(t, "--drain-delay", "1s")
	base := "http://" + ready.Listen
	goldens := readRows(t)
	for version, name := range map[string]string{"1": "/versions/1", "2": ""} {
		body := fmt.Sprintf(`{"inputs":[{"name":"X","shape":[200,30],"datatype":"FP32","data":%s}]}`, goldens.first(t, 200))
		r, err := http.Post(base+"/v2/models/breastcancer"+name+"/infer", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Version string `json:"model_version"`
			Outputs []struct {
				Data []float64 `json:"data"`
			} `json:"outputs"`
		}
		err = json.NewDecoder(r.Body).Decode(&answer)
		_ = r.Body.Close() // only read from
		if err != nil || answer.Version != version || r.Header.Get("X-Rollproof-Version") != version || r.Header.Get("X-Rollproof-Pod") != "pod-7" {
			t.Fatalf("version %s: answer %+v, headers %v, %v", version, answer, r.Header, err)
		}
		for i, want := range goldens.Expected[version].Probabilities[:200] {
			if got := answer.Outputs[1].Data[2*i+1]; got-want[1] > 1e-6 || want[1]-got > 1e-6 {
				t.Errorf("version %s row %d: %v, want %v", version, i, got, want[1])
			}
		}
	}
	p.signals <- syscall.SIGTERM
	go func() {
		for p.entries.Scan() { // a pipe that nobody reads would block the server
		}
	}()
	for end := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		if status, _ := get(t, base+"/v2/health/ready"); status == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(end) {
			t.Fatal("ready a second after SIGTERM")
		}
	}
	if status, _ := get(t, base+"/v2/health/live"); status != http.StatusOK {
		t.Errorf("live while draining: %d", status)
	}
	// A client has its answer before the server has counted its connection as closed.
	body := metricsWith(t, ready, "\nrollproof_connections 0\n", 500*time.Millisecond)
	for _, want := range []string{
		`rollproof_state{state="draining"} 1`, "rollproof_requests_cut_total 0",
		`rollproof_connections_closed_total{reason="age"} 0`, `rollproof_connections_closed_total{reason="drain"} `,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	select {
	case code := <-p.code:
		if code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("did not end")
	}
}

// TestCutRequests ends a program with a request whose body never comes.
func TestCutRequests(t *testing.T) {
	t.Parallel()
	p, ready := startProgram(t, "--drain-delay", "10ms", "--shutdown-timeout", "300ms")
	c, err := net.Dial("tcp", ready.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST /v2/models/breastcancer/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	metricsWith(t, ready, "rollproof_requests_in_flight 1", 2*time.Second)
	p.signals <- syscall.SIGTERM
	p.until(t, func(e entry) bool { return e.Message == "requests cut" })
	failed := p.until(t, func(e entry) bool { return e.Message == "failed" })
	if want := "1 in flight after the shutdown timeout of 300ms: requests cut"; !strings.HasPrefix(failed.Error, want) {
		t.Errorf("the log says %q, want %q", failed.Error, want)
	}
	if code := <-p.code; code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

// TestServeTLS asks and ends a program that speaks TLS.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certificate, key, roots := newCertificate(t, folder)
	p, ready := startProgram(t, "--tls-cert", certificate, "--tls-key", key, "--max-connection-requests", "1")
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get("https://" + ready.Listen + "/v2")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close() // only its header is of interest
	if r.StatusCode != http.StatusOK || !r.Close {
		t.Errorf("status %d, closes %t; want 200 that closes", r.StatusCode, r.Close)
	}
	p.signals <- syscall.SIGTERM
	p.until(t, func(e entry) bool { return e.Message == "ended" })
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// newCertificate writes a certificate for 127.0.0.1 and its key.
func newCertificate(t *testing.T, folder string) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	for path, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(folder, path), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) {
		t.Fatal("no certificate")
	}
	return filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"), roots
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	p, ready := startProgram(t)
	var log bytes.Buffer
	code := run(context.Background(), nil, []string{
		"--models", modelsFolder(t), "--listen", ready.Listen, "--metrics-listen", "127.0.0.1:0",
	}, nil, nil, io.Discard, &log)
	if code != 1 || !strings.Contains(log.String(), "--listen: listen tcp "+ready.Listen) {
		t.Errorf("exit code %d, log %s", code, log.String())
	}
	p.signals <- syscall.SIGTERM
	p.until(t, func(e entry) bool { return e.Message == "ended" })
	if code := <-p.code; code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// rows is goldens.json as far as it is needed here.
type rows struct {
	Rows     []json.RawMessage `json:"rows"`
	Expected map[string]struct {
		Probabilities [][2]float64 `json:"probabilities"`
	} `json:"expected"`
}

func readRows(t *testing.T) *rows {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "model", "breastcancer", "goldens.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rows{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// first is the first n rows as JSON.
func (r *rows) first(t *testing.T, n int) string {
	t.Helper()
	data, err := json.Marshal(r.Rows[:n])
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
