package attack

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

// Probe sends one request as a lane of cfg would, on a new connection, and
// returns who gave the right answer to it.
func Probe(ctx context.Context, cfg Config, service cases.Service) (version, pod string, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	batches, err := service.Batches(1, 1)
	if err != nil {
		return "", "", err
	}
	request := service.Request()
	if request.GRPC {
		cfg.Protocol = HTTP2
	}
	cfg.KeepAlive, cfg.ClosedLoop, cfg.Hold = false, false, 0
	url := cfg.address(request)
	req, err := http.NewRequestWithContext(ctx, request.Method, url, bytes.NewReader(batches[0].Body))
	if err != nil {
		return "", "", err
	}
	req.Header = cfg.header(request)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	version, pod, err = cfg.ask(req, batches[0], service)
	if err != nil {
		return "", "", fmt.Errorf("%s %s: %w", request.Method, url, err)
	}
	return version, pod, nil
}

// ask sends the request of a batch and checks the answer.
func (c Config) ask(req *http.Request, batch *cases.Batch, service cases.Service) (version, pod string, err error) {
	transport := newTransport(c, longestOf(req.URL.String(), req.Header, []*cases.Batch{batch}))
	defer transport.CloseIdleConnections()
	resp, done, err := transport.send(req, 0)
	if err != nil {
		return "", "", err
	}
	defer done()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("status %d: %.200s", resp.StatusCode, body)
	}
	if service.Request().GRPC {
		tr := &trip{resp: resp}
		if class, detail := tr.grpcEnd(); class != tally.OK {
			return "", "", errors.New(detail)
		}
	}
	version, err = service.Check(batch, resp.Header.Get(cmp.Or(c.VersionHeader, VersionHeader)), body)
	return version, resp.Header.Get(cmp.Or(c.PodHeader, PodHeader)), err
}
