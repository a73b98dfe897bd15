package tally

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Loss is a request that did not get the right answer from the right version,
// or, with the class OK, one whose right answer took a hidden retry. Sample says
// what the fields of the connection mean.
type Loss struct {
	At             time.Time `json:"at"` // when it was due
	Lane           string    `json:"lane"`
	Seq            uint64    `json:"seq"`
	Class          Class     `json:"class"`
	Detail         string    `json:"detail"`
	Status         int       `json:"status,omitempty"`
	Pod            string    `json:"pod,omitempty"`
	Version        string    `json:"version,omitempty"`
	Remote         string    `json:"remote,omitempty"`
	Reused         bool      `json:"reused_connection"`
	Attempts       int       `json:"connections"`
	LatencySeconds float64   `json:"latency_seconds"`

	Conn        uint64  `json:"connection,omitempty"`
	Local       string  `json:"local,omitempty"`
	IdleSeconds float64 `json:"idle_seconds,omitempty"`
	Written     uint64  `json:"bytes_written,omitempty"`
	LastPod     string  `json:"last_pod,omitempty"`
	Phase       Phase   `json:"phase,omitempty"`
	Stage       string  `json:"stage,omitempty"`
}

// End returns when it was lost, or answered.
func (l Loss) End() time.Time {
	return l.At.Add(time.Duration(l.LatencySeconds * float64(time.Second)))
}

// Masked tells whether it was answered after all, by a retry that the transport
// hid.
func (l Loss) Masked() bool { return l.Class == OK }

// WriteLosses returns a function that writes losses to w, one line of JSON each.
func WriteLosses(w io.Writer) func(Loss) error {
	return func(l Loss) error {
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		_, err = w.Write(append(line, '\n'))
		return err
	}
}

// ReadLosses reads what WriteLosses wrote. An error ends it; the losses before
// it are whole.
func ReadLosses(r io.Reader) iter.Seq2[Loss, error] {
	return func(yield func(Loss, error) bool) {
		dec := json.NewDecoder(r)
		for n := 1; ; n++ {
			var l Loss
			err := dec.Decode(&l)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Loss{}, fmt.Errorf("loss %d: %w", n, err))
				return
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}
