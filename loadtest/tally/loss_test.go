package tally_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollproof/loadtest/tally"
)

func TestLossesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	s := sample(1500*time.Millisecond, 30*time.Millisecond, tally.Reset)
	s.Detail, s.Pod, s.Version, s.Remote, s.Local, s.Status = "reset \"by\" peer\n", "a", "1", "10.0.0.1:80", "10.0.0.9:4711", 200
	s.Reused, s.Conn, s.Idle, s.Written, s.LastPod, s.Phase = true, 7, 12*time.Millisecond, 300, "b", tally.Wait
	masked := sample(0, time.Millisecond, tally.OK)
	masked.Attempts = 2
	want := []tally.Loss{s.Loss(), masked.Loss()}
	if !s.Troubled() || !masked.Troubled() || sample(0, 0, tally.OK).Troubled() {
		t.Error("a loss and a masked retry are trouble, a right answer is none")
	}
	if !want[1].Masked() || want[0].Masked() || !want[0].End().Equal(s.End()) {
		t.Errorf("masked %t and %t, end %v, want %v", want[0].Masked(), want[1].Masked(), want[0].End(), s.End())
	}
	var file bytes.Buffer
	write := tally.WriteLosses(&file)
	for _, l := range want {
		if err := write(l); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(file.Bytes(), []byte("\n")); n != 2 {
		t.Errorf("%d lines for two losses", n)
	}
	var got []tally.Loss
	for l, err := range tally.ReadLosses(&file) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABrokenFileOfLosses(t *testing.T) {
	t.Parallel()
	whole, failed := 0, 0
	for _, err := range tally.ReadLosses(strings.NewReader(`{"lane":"new"}` + "\n" + `{"lane":"n`)) {
		if err == nil {
			whole++
			continue
		}
		failed++
		if !strings.Contains(err.Error(), "loss 2") {
			t.Errorf("error %v does not say which", err)
		}
	}
	if whole != 1 || failed != 1 {
		t.Errorf("%d whole and %d broken, want one of each", whole, failed)
	}
}

// The pod's last new connection is the last one's start, whatever the order.
func TestLastNewConnection(t *testing.T) {
	t.Parallel()
	fresh := func(at time.Duration) tally.Sample {
		s := sample(at, time.Millisecond, tally.OK)
		s.Pod = "a"
		return s
	}
	kept, lost, masked := fresh(9*time.Second), fresh(8*time.Second), fresh(7*time.Second)
	kept.Reused, lost.Class, masked.Attempts = true, tally.EOF, 2
	l := lane(fresh(5*time.Second), fresh(2*time.Second), kept, lost, masked)
	other := lane(fresh(4 * time.Second))
	other.Merge(l)
	if got := other.Pods["a"].LastNew; !got.Equal(origin.Add(5 * time.Second)) {
		t.Errorf("last new connection %v after the origin, want 5s", got.Sub(origin))
	}
}

func FuzzReadLosses(f *testing.F) {
	f.Add([]byte(`{"at":"2026-01-02T03:04:05Z","lane":"new","class":"eof","latency_seconds":1e300}` + "\n"))
	f.Add([]byte("{}\n{}\n["))
	f.Fuzz(func(t *testing.T, data []byte) {
		for l, err := range tally.ReadLosses(bytes.NewReader(data)) {
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := tally.WriteLosses(&again)(l); err != nil {
				continue // a year that JSON's times cannot have
			}
			for same, err := range tally.ReadLosses(&again) {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(l, same); diff != "" {
					t.Fatal(diff)
				}
			}
		}
	})
}
