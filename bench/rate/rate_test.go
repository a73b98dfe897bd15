package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The search comes close to the rate that holds, whatever it is, and tries a rate
// that failed once more before it believes that.
func TestHighest(t *testing.T) {
	t.Parallel()
	for _, limit := range []float64{120, 1500, 2345, 40_000} {
		tries, bad := 0, 0
		side := func(limit float64) attempt {
			return func(_ context.Context, rate float64) (trial, error) {
				tries++
				held := rate <= limit
				if held && tries%7 == 0 {
					held = false // a bad moment
					bad++
				}
				return trial{rate: rate, held: held}, nil
			}
		}
		best, err := highest(t.Context(), side(limit), side(2*limit))
		if err != nil {
			t.Fatal(err)
		}
		for i, limit := range []float64{limit, 2 * limit} {
			if best[i].rate > limit || best[i].rate < limit/(1+2*closeTo) {
				t.Errorf("limit %v: found %v after %d tries, %d of them bad", limit, best[i].rate, tries, bad)
			}
		}
	}
	if _, err := highest(t.Context(), func(context.Context, float64) (trial, error) { return trial{}, nil }); err == nil {
		t.Error("no error where nothing holds")
	}
	broken := errors.New("broken")
	if _, err := highest(t.Context(), func(context.Context, float64) (trial, error) { return trial{}, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestTrial(t *testing.T) {
	t.Parallel()
	good := []lane{{Requests: 990, OK: 990, Late: 3, Seconds: 1}}
	if got := newTrial(1000, good, usage{99 * time.Millisecond, 198 * time.Millisecond}); !got.held || got.rate != 990 || math.Abs(got.cost-0.0001) > 1e-9 {
		t.Errorf("%+v", got)
	}
	for name, lanes := range map[string][]lane{
		"too few": {{Requests: 970, OK: 970, Seconds: 1}},
		"late":    {{Requests: 1000, OK: 1000, Late: 30, Seconds: 1}},
		"lost":    {{Requests: 1000, OK: 999, Seconds: 1}},
		"none":    {{}},
	} {
		if newTrial(1000, lanes, usage{}).held {
			t.Errorf("%s: held", name)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	if mean, slope := line([]float64{0, 1, 2}, []float64{10, 12, 14}); mean != 12 || slope != 2 {
		t.Errorf("mean %v, slope %v", mean, slope)
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	const trace = "a message\n" +
		"gc 1 @13.574s 0%: 0.03+1.3+0.1 ms clock, 0.03+0/0.2/0+0.1 ms cpu, 27->27->6 MB, 27 MB goal, 0 MB stacks, 0 MB globals, 1 P\n" +
		"gc 2 @3600.0s 1%: 0.03+1.3+0.1 ms clock, 0.03+0/0.2/0+0.1 ms cpu, 27->28->7 MB, 27 MB goal, 0 MB stacks, 0 MB globals, 1 P\n" +
		"gc 3 @7200.0s 1%: 0.03+1.3+0.1 ms clock, 0.03+0/0.2/0+0.1 ms cpu, 27->28->9 MB, 27 MB goal, 0 MB stacks, 0 MB globals, 1 P\n"
	at, live := collections(trace, 100, 7200)
	if !slices.Equal(at, []float64{1, 2}) || !slices.Equal(live, []float64{7, 9}) {
		t.Errorf("at %v, live %v", at, live)
	}
}

func TestSharesAreAll(t *testing.T) {
	t.Parallel()
	sum := 0.0
	for _, l := range lanes() {
		sum += l.Share
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the lanes' shares make %v", sum)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	rows, path, err := readCases("../../model/breastcancer/goldens.json")
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Inputs []struct {
			Shape []int
			Data  []json.Number
		}
	}
	if err := json.Unmarshal(body(rows, len(rows)-1, 3), &request); err != nil {
		t.Fatal(err)
	}
	if in := request.Inputs[0]; in.Shape[0] != 3 || in.Shape[1] != 30 || len(in.Data) != 90 || path != "/v2/models/breastcancer/infer" {
		t.Errorf("shape %v, %d numbers, path %s", in.Shape, len(in.Data), path)
	}
	if _, _, err := readCases("absent"); err == nil {
		t.Error("no error of a file that is not there")
	}
}

func TestOfThisProcess(t *testing.T) {
	t.Parallel()
	if got := resident(os.Getpid()); got < 1<<20 || got > 1<<34 {
		t.Errorf("it takes %v bytes", got)
	}
	for began := time.Now(); processor(os.Getpid()) == 0 && time.Since(began) < 5*time.Second; {
		_ = strings.Repeat("x", 1<<16)
	}
	if processor(os.Getpid()) == 0 {
		t.Error("it has used no processor time")
	}
	if resident(-1) != 0 || processor(-1) != 0 {
		t.Error("a process that is not there uses something")
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--pears", "1"}, &out, &out); err == nil {
		t.Error("an unknown flag was taken")
	}
	if err := run(t.Context(), []string{"more"}, &out, &out); err == nil || !strings.Contains(err.Error(), "more") {
		t.Errorf("error %v", err)
	}
}
