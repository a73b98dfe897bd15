package attack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
)

// one is a set of one row, so that every answer is the same.
var one = &cases.Set{
	Model: "m", Input: cases.Input{Name: "X", Datatype: "FP32", Columns: 1},
	Outputs:  cases.Outputs{Label: "label", Probabilities: "p"},
	Rows:     [][]json.Number{{"1"}},
	Expected: map[string]cases.Expected{"1": {Label: []int64{1}, Probabilities: [][]float64{{1}}}},
}

const oneAnswer = `{"model_name":"m","model_version":"1","id":"b0","outputs":[` +
	`{"name":"label","shape":[1],"data":[1]},{"name":"p","shape":[1,1],"data":[1]}]}`

// frames is an HTTP/2 server that is written frame by frame: what it does with the
// n-th request, from 1, is the test's to choose.
type frames struct {
	seen   atomic.Uint64
	refuse func(f *http2.Framer, stream uint32, n uint64) (refused bool, err error)
}

// serve takes one connection.
func (s *frames) serve(conn net.Conn) error {
	defer conn.Close() //nolint:errcheck // the client's side is what is looked at
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return err
	}
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	refused := map[uint32]bool{}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if refused[frame.StreamID], err = s.refuse(f, frame.StreamID, s.seen.Add(1)); err != nil {
				return err
			}
		case *http2.DataFrame:
			if frame.StreamEnded() && !refused[frame.StreamID] {
				err = answer(f, frame.StreamID)
			}
		}
		if err != nil {
			return err
		}
	}
}

func answer(f *http2.Framer, stream uint32) error {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{
		{Name: ":status", Value: "200"}, {Name: "x-rollproof-version", Value: "1"}, {Name: "x-rollproof-pod", Value: "pod-a"},
	} {
		if err := enc.WriteField(field); err != nil {
			return err
		}
	}
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
	return errors.Join(err, f.WriteData(stream, true, []byte(oneAnswer)))
}

func (s *frames) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { _ = s.serve(conn) }) // it ends with the client's close
		}
	})
	return "http://" + listener.Addr().String()
}

var errEnd = errors.New("the connection ends here")

// What HTTP/2 lets a client send again is sent again by Go's transport without a
// word: each such request is a masked retry, with what is known of the first try.
func TestRetriesThatHTTP2Hides(t *testing.T) {
	t.Parallel()
	tests := map[string]func(f *http2.Framer, stream uint32) error{
		"refused stream": func(f *http2.Framer, stream uint32) error {
			return f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		},
		// The server says that it has not looked at the last request.
		"go away": func(f *http2.Framer, stream uint32) error {
			if err := f.WriteGoAway(stream-2, http2.ErrCodeNo, nil); err != nil {
				return err
			}
			time.Sleep(50 * time.Millisecond) // so that it is read before the end
			return errEnd
		},
	}
	for name, refuse := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &frames{refuse: func(f *http2.Framer, stream uint32, n uint64) (bool, error) {
				if stream == 1 || n != 40 {
					return false, nil
				}
				return true, refuse(f, stream)
			}}
			cfg := attack.Config{
				Name: "reused", URL: server.start(t), Rate: 100, KeepAlive: true, Workers: 1, Timeout: 5 * time.Second,
				BatchRows: 1, Batches: 1, Protocol: attack.HTTP2,
			}
			var file bytes.Buffer
			cfg.Losses = &file
			l, _ := sendUntil(t, cfg, one, 60)
			if l.Masked != 1 || l.LostTotal() != 0 || l.OK < 41 {
				t.Fatalf("ok %d, masked %d, lost %+v", l.OK, l.Masked, l.EarliestLosses())
			}
			if got := server.seen.Load(); got != l.Requests+1 {
				t.Errorf("the server saw %d requests of %d", got, l.Requests)
			}
			var loss struct {
				Attempts int    `json:"connections"`
				Written  uint64 `json:"bytes_written"`
				LastPod  string `json:"last_pod"`
				Reused   bool   `json:"reused_connection"`
			}
			if err := json.Unmarshal(file.Bytes(), &loss); err != nil {
				t.Fatal(err)
			}
			if loss.Attempts != 2 || loss.Written == 0 || loss.LastPod != "pod-a" || !loss.Reused {
				t.Errorf("%s", file.Bytes())
			}
		})
	}
}

// A server that ends its connections in order says so first, and takes what is on
// its way: that costs nobody a request, and is no masked retry.
func TestAGracefulGoAwayMasksNothing(t *testing.T) {
	t.Parallel()
	server := &frames{refuse: func(f *http2.Framer, _ uint32, n uint64) (bool, error) {
		if n%10 != 0 {
			return false, nil
		}
		return false, f.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
	}}
	cfg := attack.Config{
		Name: "reused", URL: server.start(t), Rate: 200, KeepAlive: true, Workers: 50, Timeout: 5 * time.Second,
		BatchRows: 1, Batches: 1, Protocol: attack.HTTP2,
	}
	l, _ := sendUntil(t, cfg, one, 150)
	if l.LostTotal() != 0 || l.Masked != 0 {
		t.Errorf("lost %v, masked %d", l.EarliestLosses(), l.Masked)
	}
	if got := server.seen.Load(); got != l.Requests {
		t.Errorf("the server saw %d requests of %d", got, l.Requests)
	}
}

// A server that ends the connection under a request that it may have looked at
// loses it: nobody may send it again.
func TestAGoAwayThatLoses(t *testing.T) {
	t.Parallel()
	server := &frames{refuse: func(f *http2.Framer, stream uint32, n uint64) (bool, error) {
		if stream == 1 || n != 40 {
			return false, nil
		}
		if err := f.WriteGoAway(stream, http2.ErrCodeNo, nil); err != nil {
			return true, err
		}
		time.Sleep(50 * time.Millisecond)
		return true, errEnd
	}}
	cfg := attack.Config{
		Name: "reused", URL: server.start(t), Rate: 100, KeepAlive: true, Workers: 1, Timeout: 5 * time.Second,
		BatchRows: 1, Batches: 1, Protocol: attack.HTTP2,
	}
	l, _ := sendUntil(t, cfg, one, 60)
	if l.Masked != 0 || l.LostTotal() != 1 {
		t.Fatalf("masked %d, lost %v: %+v", l.Masked, l.Lost, l.EarliestLosses())
	}
	if loss := l.EarliestLosses()[0]; loss.Class != "eof" || loss.LastPod != "pod-a" {
		t.Errorf("%+v", loss)
	}
}
