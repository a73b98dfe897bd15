package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
	"rollproof/loadtest/verdict"
)

// The control lane sends to an endpoint within this process, over real sockets:
// what it loses or waits for is the harness's own fault or its machine's.
const (
	controlLane    = "control"
	controlRate    = 50
	controlWorkers = 100
	controlBody    = "still here"
	controlClose   = time.Second
)

// ControlFile is the file under the run's folder that keeps the control lane's
// results. It stands apart from the lanes': no service is in it.
const ControlFile = "control.gob"

// control is the control lane under way.
type control struct {
	lane   *attack.Lane
	server *http.Server
	file   *os.File
	served chan error
}

// startControl starts the endpoint and makes the lane to it.
func startControl(dir string, timeout time.Duration, origin time.Time, stage func(time.Time) string) (*control, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("control lane: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, ControlFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control lane: %w", err), listener.Close())
	}
	lane, err := attack.NewLane(attack.Config{
		Name: controlLane, URL: "http://" + listener.Addr().String(), Rate: controlRate, Workers: controlWorkers,
		Timeout: timeout, BatchRows: 1, Batches: 1, Stage: stage,
	}, echo{}, attack.NewVersions(), origin, file)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), file.Close())
	}
	c := &control{
		lane: lane, file: file, served: make(chan error, 1),
		server: &http.Server{
			Handler: http.HandlerFunc(answerControl), ReadHeaderTimeout: timeout,
			ErrorLog: log.New(io.Discard, "", 0), // what goes wrong shows on the lane
		},
	}
	go func() { c.served <- c.server.Serve(listener) }()
	return c, nil
}

// run sends until ctx ends, and then ends the endpoint.
func (c *control) run(ctx context.Context) error {
	err := c.lane.Run(ctx)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlClose)
	defer cancel()
	if shutErr := c.server.Shutdown(ending); shutErr != nil {
		shutErr = c.server.Close() // a connection that hangs is of no use any more
		err = errors.Join(err, shutErr)
	}
	if served := <-c.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("control lane: %w", served))
	}
	return errors.Join(err, c.file.Close())
}

// seen returns what became of the lane.
func (c *control) seen() *verdict.Control { return verdict.NewControl(c.lane.Tally()) }

// answerControl answers a control request.
func answerControl(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the lane sees that no answer came
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(controlBody)))
	_, _ = io.WriteString(w, controlBody) // the same
}

// echo is the control endpoint as a service.
type echo struct{}

// Request implements cases.Service.
func (echo) Request() cases.Request {
	return cases.Request{Method: http.MethodPost, Path: "/" + controlLane}
}

// Batches implements cases.Service.
func (echo) Batches(_, count int) ([]*cases.Batch, error) {
	return slices.Repeat([]*cases.Batch{{ID: controlLane, Body: []byte(controlBody)}}, count), nil
}

// Size implements cases.Service.
func (echo) Size() int { return 1 }

// Versions implements cases.Service.
func (echo) Versions() []string { return nil }

// TellsVersion implements cases.Service.
func (echo) TellsVersion() bool { return false }

// Check implements cases.Service.
func (echo) Check(_ *cases.Batch, _ string, body []byte) (string, error) {
	if string(body) != controlBody {
		return "", fmt.Errorf("%w: %.50q", cases.ErrWrongAnswer, body)
	}
	return "", nil
}

var _ cases.Service = echo{}
