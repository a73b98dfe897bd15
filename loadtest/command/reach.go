package command

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpguts"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/run"
)

// reach is how the service is reached: protocol, TLS, headers.
type reach struct {
	protocol   string
	ca         string
	clientCert string
	clientKey  string
	serverName string
	insecure   bool

	headers      []string
	headerFile   string
	keyFile      string
	keyHeader    string
	slowHeaders  []string
	podHeader    string
	versionNamed string
}

// The protocols by which requests can be sent.
const (
	protocolHTTP1 = "http1"
	protocolHTTP2 = "http2"
	protocolGRPC  = "grpc"
)

func (r *reach) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&r.protocol, "protocol", protocolHTTP1, "http1, http2 or grpc; the last two by TLS where --url is https, and otherwise without (h2c)")
	fl.StringVar(&r.ca, "ca-file", "", "PEM file of the authorities that the service's certificate is checked by (default the system's)")
	fl.StringVar(&r.clientCert, "client-cert", "", "PEM file of the certificate to show")
	fl.StringVar(&r.clientKey, "client-key", "", "PEM file of its key")
	fl.StringVar(&r.serverName, "server-name", "", "name to check the service's certificate for (default --url's host)")
	fl.BoolVar(&r.insecure, "insecure", false, "do not check the service's certificate; the report says so")
	fl.StringArrayVar(&r.headers, "header", nil, "header to send, NAME: VALUE; may be given again. Secrets belong into --header-file")
	fl.StringVar(&r.headerFile, "header-file", "", "file of headers to send, NAME: VALUE a line")
	fl.StringVar(&r.keyFile, "api-key-file", "", "file of an API key, sent as Authorization: Bearer KEY")
	fl.StringVar(&r.keyHeader, "api-key-header", "", "header that gets the API key instead, as it is")
	fl.StringArrayVar(&r.slowHeaders, "slow-header", nil, "header of the slow lanes' requests alone, as one that makes the server take its time; may be given again")
	fl.StringVar(&r.podHeader, "pod-header", "", "answers' header that names the pod (default "+attack.PodHeader+")")
	fl.StringVar(&r.versionNamed, "version-header", "", "answers' header that names the version (default "+attack.VersionHeader+")")
}

// apply puts what the flags say into a run's configuration.
func (r *reach) apply(cfg *run.Config) error {
	switch r.protocol {
	case protocolHTTP1:
		cfg.Protocol = attack.HTTP1
	case protocolHTTP2:
		cfg.Protocol = attack.HTTP2
	case protocolGRPC:
		cfg.Protocol, cfg.GRPC = attack.HTTP2, true
	default:
		return fmt.Errorf("--protocol %q: want %s, %s or %s", r.protocol, protocolHTTP1, protocolHTTP2, protocolGRPC)
	}
	if err := r.secure(cfg); err != nil {
		return err
	}
	cfg.PodHeader, cfg.VersionHeader = r.podHeader, r.versionNamed
	return r.addHeaders(cfg)
}

// secure makes the TLS configuration.
func (r *reach) secure(cfg *run.Config) error {
	if !strings.HasPrefix(cfg.URL, "https://") {
		for flag, value := range map[string]string{
			"--ca-file": r.ca, "--client-cert": r.clientCert, "--client-key": r.clientKey, "--server-name": r.serverName,
		} {
			if value != "" {
				return fmt.Errorf("%s: --url %q has no TLS: want https://", flag, cfg.URL)
			}
		}
		if r.insecure {
			return fmt.Errorf("--insecure: --url %q has no TLS: want https://", cfg.URL)
		}
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.serverName}
	if r.ca != "" {
		pem, err := os.ReadFile(r.ca)
		if err != nil {
			return fmt.Errorf("--ca-file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("--ca-file %s: no PEM certificate in it", r.ca)
		}
	}
	switch {
	case (r.clientCert == "") != (r.clientKey == ""):
		return errors.New("--client-cert and --client-key: want both or neither")
	case r.clientCert != "":
		pair, err := tls.LoadX509KeyPair(r.clientCert, r.clientKey)
		if err != nil {
			return fmt.Errorf("--client-cert %s: %w", r.clientCert, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch {
	case r.insecure && (r.ca != "" || r.serverName != ""):
		return errors.New("--insecure checks no certificate: want it, or --ca-file and --server-name")
	case r.insecure:
		c.InsecureSkipVerify = true // it was asked for, and the report says so
		cfg.Insecure = true
		cfg.Warnings = append(cfg.Warnings, "--insecure: the service's certificate was not checked, so that anybody may have answered")
	}
	cfg.TLS = c
	return nil
}

// maxHeaderFile bounds a file of headers or of a key, in bytes.
const maxHeaderFile = 64 << 10

// addHeaders reads the headers. No error shows a value: it may be a secret.
func (r *reach) addHeaders(cfg *run.Config) error {
	cfg.Header, cfg.SlowHeader = http.Header{}, http.Header{}
	for i, line := range r.headers {
		if err := addHeader(cfg.Header, line); err != nil {
			return fmt.Errorf("--header (the %d. one): %w", i+1, err)
		}
	}
	for i, line := range r.slowHeaders {
		if err := addHeader(cfg.SlowHeader, line); err != nil {
			return fmt.Errorf("--slow-header (the %d. one): %w", i+1, err)
		}
	}
	if r.headerFile != "" {
		data, err := readSecret(r.headerFile)
		if err != nil {
			return fmt.Errorf("--header-file: %w", err)
		}
		if err := parseHeaders(data, cfg.Header); err != nil {
			return fmt.Errorf("--header-file %s: %w", r.headerFile, err)
		}
	}
	if r.keyHeader != "" && r.keyFile == "" {
		return errors.New("--api-key-header without --api-key-file: want the key's file, too")
	}
	if r.keyFile != "" {
		data, err := readSecret(r.keyFile)
		if err != nil {
			return fmt.Errorf("--api-key-file: %w", err)
		}
		key := strings.TrimSpace(string(data))
		if key == "" || !httpguts.ValidHeaderFieldValue(key) {
			return fmt.Errorf("--api-key-file %s: want one line with a key", r.keyFile)
		}
		line := "Authorization: Bearer " + key
		if r.keyHeader != "" {
			line = r.keyHeader + ": " + key
		}
		if err := addHeader(cfg.Header, line); err != nil {
			return fmt.Errorf("--api-key-header: %w", err)
		}
	}
	cfg.Headers = slices.Sorted(maps.Keys(cfg.Header))
	for name := range cfg.SlowHeader {
		if !slices.Contains(cfg.Headers, name) {
			cfg.Headers = append(cfg.Headers, name)
		}
	}
	return nil
}

func readSecret(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) > maxHeaderFile {
		return nil, fmt.Errorf("%s: it has more than %d bytes", path, maxHeaderFile)
	}
	return data, nil
}

// parseHeaders reads a header a line; lines that are empty or begin with # are
// passed over.
func parseHeaders(data []byte, into http.Header) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxHeaderFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := addHeader(into, line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

// reserved are headers that the harness itself must decide.
func reserved() []string {
	return []string{"Connection", "Content-Length", "Idempotency-Key", "X-Idempotency-Key", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
}

// addHeader adds NAME: VALUE to a header.
func addHeader(into http.Header, line string) error {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok || !httpguts.ValidHeaderFieldName(name):
		return errors.New("want NAME: VALUE")
	case !httpguts.ValidHeaderFieldValue(value):
		return fmt.Errorf("%s: its value has signs that no header may have", name)
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if slices.Contains(reserved(), name) || strings.HasPrefix(name, "X-Vegeta-") {
		return fmt.Errorf("%s: it decides how a request is sent, or whether it is sent again: the lanes set it", name)
	}
	into.Add(name, value)
	return nil
}
