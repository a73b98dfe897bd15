package compare_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"rollproof/loadtest/compare"
	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/goldentest"
	"rollproof/loadtest/replay"
)

// runOf is a kept run of a story.
func runOf(t *testing.T, name string, story kept.Story) compare.Run {
	t.Helper()
	dir := t.TempDir()
	if _, err := kept.Write(dir, story); err != nil {
		t.Fatal(err)
	}
	again, err := replay.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return compare.Run{Name: name, Report: again.Report, Series: again.Series}
}

func TestTwoRuns(t *testing.T) {
	t.Parallel()
	lossy, right := runOf(t, "out/lossy", kept.Story{Lossy: true}), runOf(t, "out/right", kept.Story{})
	c, err := compare.Two(lossy, right, false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Terminal(&out); err != nil {
		t.Fatal(err)
	}
	goldentest.Same(t, "lossy-right.txt", out.Bytes())
	direction := func(c *compare.Comparison, name string) compare.Direction {
		for _, f := range c.Figures {
			if f.Name == name && f.Lane == "" {
				return f.Direction
			}
		}
		return ""
	}
	if got := direction(c, "lost"); got != compare.Better {
		t.Errorf("from losses to none is %s", got)
	}
	// The other way round what was better is worse, and what was the same is the same.
	back, err := compare.Two(right, lossy, false)
	if err != nil {
		t.Fatal(err)
	}
	opposite := map[compare.Direction]compare.Direction{
		compare.Better: compare.Worse, compare.Worse: compare.Better, compare.Same: compare.Same, compare.Other: compare.Other,
		compare.OnlyA: compare.OnlyB, compare.OnlyB: compare.OnlyA,
	}
	directions := func(c *compare.Comparison) map[string]compare.Direction {
		out := map[string]compare.Direction{}
		for _, list := range [][]compare.Figure{c.Figures, c.Latency, c.Causes, c.Facts} {
			for _, f := range list {
				out[f.Label()] = f.Direction
			}
		}
		return out
	}
	there, here := directions(c), directions(back)
	for label, d := range there {
		if here[label] != opposite[d] {
			t.Errorf("%s: %s one way, %s the other", label, d, here[label])
		}
	}
	var text bytes.Buffer
	if err := c.JSON(&text); err != nil || !json.Valid(text.Bytes()) {
		t.Errorf("JSON: %v", err)
	}
}

// A run beside itself is the same in everything.
func TestARunBesideItself(t *testing.T) {
	t.Parallel()
	r := runOf(t, "out/run", kept.Story{Lossy: true})
	c, err := compare.Two(r, r, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Settings) != 0 {
		t.Errorf("settings that differ: %+v", c.Settings)
	}
	for _, list := range [][]compare.Figure{c.Figures, c.Latency, c.Causes, c.Facts} {
		for _, f := range list {
			if f.Direction != compare.Same {
				t.Errorf("%s: %s", f.Label(), f.Direction)
			}
		}
	}
}

func TestSlowerIsWorse(t *testing.T) {
	t.Parallel()
	a, b := runOf(t, "a", kept.Story{Load: true}), runOf(t, "b", kept.Story{Load: true, Slow: 0.01})
	c, err := compare.Two(a, b, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Latency) == 0 {
		t.Fatal("no latency is compared")
	}
	for _, f := range c.Latency {
		if f.Name == "p50" && f.Lane == "new" && f.Direction != compare.Worse {
			t.Errorf("%s: %s of %v", f.Label(), f.Direction, f)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	load, fast, upgrade := runOf(t, "load", kept.Story{Load: true}), runOf(t, "fast", kept.Story{Load: true, Rate: 60}), runOf(t, "upgrade", kept.Story{})
	if _, err := compare.Two(load, upgrade, true); err == nil || !strings.Contains(err.Error(), "upgrade is an upgrade") {
		t.Errorf("a load beside an upgrade: %v", err)
	}
	if _, err := compare.Two(load, fast, false); err == nil || !strings.Contains(err.Error(), "new_rate (40 and 60)") || !strings.Contains(err.Error(), "--anyway") {
		t.Errorf("different loads: %v", err)
	}
	c, err := compare.Two(load, fast, true)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Terminal(&out); err != nil || !strings.Contains(out.String(), "WARNING: another load") {
		t.Errorf("%v in\n%s", err, out.String())
	}
}
