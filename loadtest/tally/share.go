package tally

import "github.com/HdrHistogram/hdrhistogram-go"

// Histogram bounds, in microseconds: 1 us to 2 min. A lane, its stages and its
// versions have 3 significant digits; a pod has 2, since there may be many.
const (
	histogramMin    = 1
	histogramMax    = 120_000_000
	histogramDigits = 3
	podDigits       = 2
)

// Share is what a part of a lane's requests came to: those due in one stage of
// the run, or those that one version answered.
type Share struct {
	Requests uint64
	Lost     uint64
	Masked   uint64
	Latency  *hdrhistogram.Histogram // microseconds, from the intended time, of right answers
}

func newShare() *Share {
	return &Share{Latency: hdrhistogram.New(histogramMin, histogramMax, histogramDigits)}
}

// shareOf returns the share of that name, made where there is none.
func shareOf(shares map[string]*Share, name string) *Share {
	s := shares[name]
	if s == nil {
		s = newShare()
		shares[name] = s
	}
	return s
}

// add counts a sample whose latency is us microseconds.
func (s *Share) add(x *Sample, us int64) {
	s.Requests++
	if x.Class != OK {
		s.Lost++
		return
	}
	if x.Attempts > 1 {
		s.Masked++
	}
	record(s.Latency, us)
}

func (s *Share) merge(o *Share) {
	s.Requests += o.Requests
	s.Lost += o.Lost
	s.Masked += o.Masked
	s.Latency.Merge(o.Latency)
}

// record takes a latency that microseconds has clamped, so that it cannot fail.
func record(h *hdrhistogram.Histogram, us int64) {
	if err := h.RecordValue(us); err != nil {
		panic("tally: a clamped latency does not fit its histogram: " + err.Error())
	}
}

// microseconds returns a sample's latency within the histograms' bounds.
func (s *Sample) microseconds() int64 {
	return min(max(s.Latency.Microseconds(), histogramMin), histogramMax)
}
