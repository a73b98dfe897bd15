// Package fake is a model server for the harness's own tests: it gives the
// golden answers of a cases file over REST and over gRPC, and faults on demand.
// Nothing but tests may use it.
package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
)

// Fault is what the server does instead of answering right.
type Fault string

// The faults.
const (
	None         Fault = ""
	Close        Fault = "close"         // ends the connection without an answer
	Reset        Fault = "reset"         // resets the connection without an answer
	Status500    Fault = "status"        // answers with status 500
	WrongHeader  Fault = "wrong header"  // names another version in the header than in the body
	WrongVersion Fault = "wrong version" // answers rightly as another version
	WrongBody    Fault = "wrong body"    // another version's answer under this one's name
	Short        Fault = "short"         // ends the connection in the middle of the body
	CutJSON      Fault = "cut json"      // a whole HTTP answer of half a JSON document
	Slow         Fault = "slow"          // answers after 300 ms
	Hang         Fault = "hang"          // does not answer while the client waits, or for 20 s
	HangInHeader Fault = "hang in head"  // the same in the middle of the answer's header, over HTTP/1.1
	HangInBody   Fault = "hang in body"  // the same in the middle of the body
)

// Server answers as one version of the model. Make it with New.
type Server struct {
	set     *cases.Set
	index   map[string]int // row by its text
	floats  map[string]int // and by its numbers, as gRPC has them
	raw     bool           // gRPC answers in raw_output_contents
	pod     string
	version atomic.Pointer[string]
	count   atomic.Uint64
	fault   func(n uint64) Fault
}

// New returns a server that answers as version. fault chooses what happens to
// the n-th request, from 0; nil is no fault.
func New(set *cases.Set, pod, version string, fault func(n uint64) Fault) *Server {
	if fault == nil {
		fault = func(uint64) Fault { return None }
	}
	s := &Server{set: set, pod: pod, fault: fault, index: map[string]int{}, floats: map[string]int{}}
	for i, row := range set.Rows {
		s.index[rowKey(row)] = i
		var numbers []float32
		for _, n := range row {
			f, err := strconv.ParseFloat(n.String(), 32)
			if err != nil {
				panic("fake: a row that is no numbers: " + n.String())
			}
			numbers = append(numbers, float32(f))
		}
		s.floats[floatKey(numbers)] = i
	}
	s.SetVersion(version)
	return s
}

// SetVersion makes the server answer as version from now on.
func (s *Server) SetVersion(version string) { s.version.Store(&version) }

// AnswerRaw makes the server answer gRPC calls in raw_output_contents. Call it
// before it serves.
func (s *Server) AnswerRaw() { s.raw = true }

// Count returns how many requests came.
func (s *Server) Count() uint64 { return s.count.Load() }

func rowKey(row []json.Number) string {
	var b strings.Builder
	for _, n := range row {
		b.WriteString(n.String())
		b.WriteByte(',')
	}
	return b.String()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := s.fault(s.count.Add(1) - 1)
	w.Header().Set(attack.PodHeader, s.pod)
	if fault == Slow {
		time.Sleep(300 * time.Millisecond)
	}
	if isGRPC(r) {
		s.serveGRPC(w, r, fault)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != s.set.Path() || r.Header.Get("Idempotency-Key") != "" {
		http.Error(w, "want a plain POST to "+s.set.Path(), http.StatusNotFound)
		return
	}
	var request struct {
		ID     string `json:"id"`
		Inputs []struct {
			Shape []int         `json:"shape"`
			Data  []json.Number `json:"data"`
		} `json:"inputs"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	header, named, answers := s.names(fault)
	switch fault {
	case Close, Reset:
		hangUp(w, fault == Reset)
		return
	case Hang: // after the request: until it is read, net/http does not see its client leave
		hang(r.Context())
	case HangInHeader:
		hangInHeader(w)
		return
	case Status500:
		http.Error(w, "broken on demand", http.StatusInternalServerError)
		return
	}
	body, err := s.answer(request.ID, request.Inputs[0].Shape, request.Inputs[0].Data, named, answers)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set(attack.VersionHeader, header)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	switch fault {
	case Short:
		// The server notices that less was written than promised, and hangs up.
		_, _ = w.Write(body[:len(body)/2])
		return
	case HangInBody:
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush() // the client waits in either case
		hang(r.Context())
		return
	case CutJSON:
		body = body[:len(body)/2]
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	_, _ = w.Write(body) // a client that has gone is what some tests are about
}

// longestHang bounds a hang whose client does not leave.
const longestHang = 20 * time.Second

// hang waits until the client leaves, or for that long.
func hang(client context.Context) {
	select {
	case <-client.Done():
	case <-time.After(longestHang):
	}
}

func (s *Server) answer(id string, shape []int, data []json.Number, named, answers string) ([]byte, error) {
	labels, probabilities, err := lookup(s, s.index, shape, data, rowKey, answers)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"model_name": s.set.Model, "model_version": named, "id": id,
		"outputs": []map[string]any{
			{"name": s.set.Outputs.Label, "datatype": "INT64", "shape": []int{len(labels)}, "data": labels},
			{"name": s.set.Outputs.Probabilities, "datatype": "FP32", "shape": []int{len(labels), len(probabilities) / len(labels)}, "data": probabilities},
		},
	})
}

// names returns the version that the header names, the one that the body names,
// and the one whose answers are given.
func (s *Server) names(fault Fault) (header, named, answers string) {
	version := *s.version.Load()
	other := version
	for _, v := range s.set.Versions() {
		if v != version {
			other = v
		}
	}
	switch fault {
	case WrongHeader:
		return other, version, version
	case WrongVersion:
		return other, other, other
	case WrongBody:
		return version, version, other
	}
	return version, version, version
}

// lookup returns the golden answers to rows, which index finds by their key.
func lookup[N any](s *Server, index map[string]int, shape []int, data []N, key func([]N) string, answers string) (labels []int64, probabilities []float64, err error) {
	columns := s.set.Input.Columns
	if !slices.Equal(shape, []int{len(data) / columns, columns}) {
		return nil, nil, fmt.Errorf("shape %v for %d numbers", shape, len(data))
	}
	want := s.set.Expected[answers]
	for row := range slices.Chunk(data, columns) {
		i, ok := index[key(row)]
		if !ok {
			return nil, nil, fmt.Errorf("an unknown row: %v", row)
		}
		labels = append(labels, want.Label[i])
		probabilities = append(probabilities, want.Probabilities[i]...)
	}
	return labels, probabilities, nil
}

// connection takes the request's connection; nil where its client has gone.
func connection(w http.ResponseWriter) net.Conn {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return nil
	}
	return conn
}

func hangInHeader(w http.ResponseWriter) {
	conn := connection(w)
	if conn == nil {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n") // the client waits in either case
	_ = conn.SetReadDeadline(time.Now().Add(longestHang))
	_, _ = io.Copy(io.Discard, conn) // until it leaves
	_ = conn.Close()
}

// hangUp ends the connection under the answer, over HTTP/2 the stream alone.
func hangUp(w http.ResponseWriter, reset bool) {
	conn := connection(w)
	if conn == nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // best effort: without it the close is a plain one
	}
	_ = conn.Close()
}
