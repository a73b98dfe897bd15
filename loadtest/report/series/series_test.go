package series_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollproof/loadtest/report/series"
	"rollproof/loadtest/tally"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func sample(at, latency time.Duration, version string, class tally.Class) tally.Sample {
	return tally.Sample{Lane: "new", Intended: start.Add(at), Latency: latency, Version: version, Class: class, Attempts: 1}
}

func TestPointsAndDistributions(t *testing.T) {
	t.Parallel()
	phases := []series.Phase{{Name: "steady", From: start, To: start.Add(30 * time.Second)}, {Name: "rollout", From: start.Add(30 * time.Second), To: start.Add(time.Minute)}}
	c := series.New(start, start.Add(time.Minute), phases)
	for i := range 6000 {
		version := "1"
		if i >= 3000 {
			version = "2"
		}
		// 1 to 100 ms, over and over: the median is 50 ms, the 99th percentile 99.
		c.Add(sample(time.Duration(i)*10*time.Millisecond, time.Duration(i%100+1)*time.Millisecond, version, tally.OK))
	}
	c.Add(sample(59*time.Second, time.Hour, "2", tally.EOF))
	masked := sample(time.Second, time.Millisecond, "1", tally.OK)
	masked.Attempts = 2
	c.Add(masked)
	s := c.Series()
	if len(s.Lanes) != 1 || len(s.Lanes[0].Points) != series.Cells || s.Width != 0.25 {
		t.Fatalf("%d lanes, %d points of %v s", len(s.Lanes), len(s.Lanes[0].Points), s.Width)
	}
	l := s.Lanes[0]
	var requests, lost, hidden uint64
	for _, p := range l.Points {
		requests, lost, hidden = requests+p.Requests, lost+p.Lost, hidden+p.Masked
	}
	if requests != 6002 || lost != 1 || hidden != 1 {
		t.Errorf("%d requests, %d lost, %d masked", requests, lost, hidden)
	}
	if len(l.Curves) != 2 || l.Curves[0].Version != "1" || len(l.Curves[0].Points) != 120 || l.Curves[1].Points[0].At != 30 {
		t.Errorf("curves %+v", l.Curves)
	}
	found := map[[2]string]series.Distribution{}
	for _, d := range l.Distributions {
		found[[2]string{d.Version, d.Phase}] = d
	}
	if len(found) != 7 || found[[2]string{"", ""}].Count != 6001 || found[[2]string{"2", "rollout"}].Count != 3000 {
		t.Errorf("distributions %v", found)
	}
	d := found[[2]string{"2", ""}]
	p50, _ := d.At(0.5)
	p99, _ := d.At(0.99)
	if p50 != 0.05 || p99 != 0.099 || d.Max != 0.1 {
		t.Errorf("p50 %v, p99 %v, max %v", p50, p99, d.Max)
	}
	if _, ok := d.At(0.9999); ok {
		t.Error("3,000 answers do not tell the 99.99th percentile")
	}
}

// A percentile is exact: so many answers did not take longer, and fewer would not
// be enough. The order of samples does not matter.
func TestPercentilesAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.SliceOfN(rapid.IntRange(1, 5_000_000), 1, 400).Draw(t, "latencies")
		shuffled := rapid.Permutation(us).Draw(t, "shuffled")
		of := func(list []int) *series.Series {
			c := series.New(start, start.Add(time.Minute), nil)
			for i, n := range list {
				c.Add(sample(time.Duration(i)*time.Millisecond, time.Duration(n)*time.Microsecond, "1", tally.OK))
			}
			return c.Series()
		}
		d := of(us).Lanes[0].Distributions[0]
		other := of(shuffled).Lanes[0].Distributions[0]
		for i, q := range d.Quantiles {
			within := 0
			for _, n := range us {
				if float64(n)/1e6 <= q.Seconds {
					within++
				}
			}
			if float64(within) < math.Floor(q.Share*float64(len(us))) {
				t.Fatalf("%d of %d within the share %v", within, len(us), q.Share)
			}
			if other.Quantiles[i] != q {
				t.Fatalf("in another order %v, want %v", other.Quantiles[i], q)
			}
		}
	})
}
