// Package access says who may ask: TLS with certificates that may change, client
// certificates, and API keys. It does not know what is asked.
package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// Files are the PEM files of TLS.
type Files struct {
	// Certificate, with its chain, and its Key; both or neither.
	Certificate, Key string
	// ClientCA holds the authorities of client certificates; empty if clients need none.
	ClientCA string
}

// pair is what the files hold.
type pair struct {
	certificate tls.Certificate
	clients     *x509.CertPool
}

// TLS returns the configuration of a server with these files, nil if they name none.
// The files are read again when they change; what cannot be read then is logged and the
// last that could be stays in use. With a ClientCA each client must show a certificate
// of it. TLS 1.2 is the least. protocols are those that may be agreed on (ALPN).
func TLS(f Files, log *slog.Logger, protocols ...string) (*tls.Config, error) {
	switch {
	case f == Files{}:
		return nil, nil
	case f.Certificate == "" || f.Key == "":
		return nil, errors.New("TLS wants a certificate and its key, not one of them")
	}
	paths := []string{f.Certificate, f.Key}
	if f.ClientCA != "" {
		paths = append(paths, f.ClientCA)
	}
	w, err := watch(paths, log, f.read)
	if err != nil {
		return nil, err
	}
	// The configuration in use is chosen for each connection, so that certificate and
	// authorities change together.
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols}
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		p := w.get()
		c := &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: protocols,
			Certificates: []tls.Certificate{p.certificate},
		}
		if p.clients != nil {
			c.ClientCAs, c.ClientAuth = p.clients, tls.RequireAndVerifyClientCert
		}
		return c, nil
	}
	base.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		p := w.get()
		return &p.certificate, nil
	}
	return base, nil
}

// read reads the files.
func (f Files) read() (pair, error) {
	var p pair
	var err error
	if p.certificate, err = tls.LoadX509KeyPair(f.Certificate, f.Key); err != nil {
		return p, fmt.Errorf("certificate %s with key %s: %w", f.Certificate, f.Key, err)
	}
	if f.ClientCA == "" {
		return p, nil
	}
	data, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return p, fmt.Errorf("authorities of client certificates: %w", err)
	}
	p.clients = x509.NewCertPool()
	if !p.clients.AppendCertsFromPEM(data) {
		return p, fmt.Errorf("authorities of client certificates: %s holds no certificate in PEM", f.ClientCA)
	}
	return p, nil
}
