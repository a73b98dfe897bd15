package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue returns a certificate and its key in PEM.
func (a *authority) issue(t *testing.T, serial int64) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// client returns a client that trusts the authority and shows a certificate, if any.
func (a *authority) client(t *testing.T, certificate, key []byte) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if certificate != nil {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}, Timeout: 5 * time.Second}
}

// serve answers "ok" under the files.
func serve(t *testing.T, f Files, log io.Writer) *httptest.Server {
	t.Helper()
	config, err := TLS(f, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: tls.NewListener(listener, config), Config: &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		ReadHeaderTimeout: time.Second,
	}}
	server.Start()
	server.URL = "https://" + listener.Addr().String()
	t.Cleanup(server.Close)
	return server
}

// serial asks the server and returns the serial number of its certificate.
func serial(t *testing.T, c *http.Client, url string) int64 {
	t.Helper()
	answer, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.TLS.PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	f := Files{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	put := func(serial int64) {
		certificate, key := a.issue(t, serial)
		write(t, f.Certificate, certificate)
		write(t, f.Key, key)
	}
	put(7)
	var log bytes.Buffer
	server := serve(t, f, &log)
	c := a.client(t, nil, nil)
	if got := serial(t, c, server.URL); got != 7 {
		t.Fatalf("certificate %d, want 7", got)
	}
	// A certificate whose key is not there yet must not end the service.
	certificate, _ := a.issue(t, 8)
	write(t, f.Certificate, certificate)
	time.Sleep(look + 50*time.Millisecond)
	if got := serial(t, c, server.URL); got != 7 {
		t.Errorf("half-written: certificate %d, want 7", got)
	}
	put(9)
	deadline := time.Now().Add(10 * time.Second)
	for serial(t, c, server.URL) != 9 {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not used")
		}
		time.Sleep(100 * time.Millisecond)
	}
	server.Close()
	if !strings.Contains(log.String(), "cannot be read") {
		t.Errorf("the log does not say that the half-written pair could not be read: %s", log.String())
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	f := Files{
		Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"),
		ClientCA: filepath.Join(dir, "ca.crt"),
	}
	certificate, key := a.issue(t, 1)
	write(t, f.Certificate, certificate)
	write(t, f.Key, key)
	write(t, f.ClientCA, a.pem)
	server := serve(t, f, io.Discard)
	right, rightKey := a.issue(t, 2)
	wrong, wrongKey := other.issue(t, 3)
	for _, test := range []struct {
		name             string
		certificate, key []byte
		ok               bool
	}{{"none", nil, nil, false}, {"right", right, rightKey, true}, {"of another authority", wrong, wrongKey, false}} {
		answer, err := a.client(t, test.certificate, test.key).Get(server.URL)
		if err == nil {
			_ = answer.Body.Close()
		}
		if (err == nil) != test.ok {
			t.Errorf("client certificate %s: error %v, want it let in: %t", test.name, err, test.ok)
		}
	}
}

func TestTLSRefuses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	certificate, key := a.issue(t, 1)
	crt, pem, junk := filepath.Join(dir, "crt"), filepath.Join(dir, "key"), filepath.Join(dir, "junk")
	write(t, crt, certificate)
	write(t, pem, key)
	write(t, junk, []byte("junk"))
	for name, test := range map[string]struct {
		files Files
		want  string
	}{
		"no key":      {Files{Certificate: crt}, "certificate and its key"},
		"no file":     {Files{Certificate: crt + "x", Key: pem}, "crtx"},
		"no PEM":      {Files{Certificate: junk, Key: pem}, junk},
		"no CA":       {Files{Certificate: crt, Key: pem, ClientCA: junk}, "no certificate in PEM"},
		"only the CA": {Files{ClientCA: junk}, "certificate and its key"},
	} {
		if _, err := TLS(test.files, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	if c, err := TLS(Files{}, nil); c != nil || err != nil {
		t.Errorf("no files: %v, %v, want neither", c, err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := strings.Repeat("a", 16), strings.Repeat("b", 40)
	write(t, filepath.Join(dir, "team-a"), []byte("# team A\n"+first+"\n\n"))
	write(t, filepath.Join(dir, ".hidden"), []byte("short\n"))
	k, err := ReadKeys(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	k.digests.now = func() time.Time { return now }
	check := func(key string, ok bool) {
		t.Helper()
		if err := k.Check(key); errors.Is(err, ErrKey) == ok {
			t.Errorf("key %q: %v, want it valid: %t", key, err, ok)
		}
	}
	check(first, true)
	check(second, false)
	check("", false)
	check(first+"a", false)
	check("# team A", false)
	write(t, filepath.Join(dir, "team-b"), []byte(second))
	check(second, false) // not looked again yet
	now = now.Add(2 * look)
	check(second, true)
	write(t, filepath.Join(dir, "team-b"), []byte("short"))
	now = now.Add(2 * look)
	check(second, true) // what cannot be read changes nothing
	if err := os.Remove(filepath.Join(dir, "team-b")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * look)
	check(second, false)
	check(first, true)
}

func TestReadKeysRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ content, want string }{
		"short": {"0123456789abcdef\nsecret\n", "line 2: a key of 6 bytes, want 16"},
		"empty": {"# nothing\n", "holds no key"},
		"long":  {strings.Repeat("k", 600), "a key of 600 bytes"},
		"huge":  {strings.Repeat("k\n", maxKeyFile), "more than"},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		write(t, path, []byte(test.content))
		if _, err := ReadKeys(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	if _, err := ReadKeys(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no file: no error")
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	key := "0123456789abcdef"
	write(t, path, []byte(key))
	k, err := ReadKeys(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := k.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }),
		func(path string) bool { return path == "/live" })
	for _, test := range []struct {
		path, header, value string
		want                int
	}{
		{"/", "", "", 401},
		{"/live", "", "", 200},
		{"/", "Authorization", "Bearer " + key, 200},
		{"/", "Authorization", "bearer " + key, 200},
		{"/", "Authorization", key, 401},
		{"/", "Authorization", "Basic " + key, 401},
		{"/", "X-Api-Key", key, 200},
		{"/", "X-Api-Key", key[1:], 401},
	} {
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		if test.header != "" {
			r.Header.Set(test.header, test.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s %s %q: %d, want %d", test.path, test.header, test.value, w.Code, test.want)
		}
		if w.Code == 401 && (!strings.Contains(w.Body.String(), `"reason":"unauthorized"`) || w.Header().Get("WWW-Authenticate") != "Bearer") {
			t.Errorf("401 says %s, header %v", w.Body, w.Header())
		}
	}
}
