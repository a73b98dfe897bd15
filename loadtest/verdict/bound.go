package verdict

import (
	"math"
	"time"

	"rollproof/loadtest/tally"
)

// miss is the chance with which a bound is too low: 95 % are sure.
const miss = 0.05

// UpperBound returns the largest rate of loss under which so few losses among
// so many requests still have a chance of 5 %: the one-sided 95 % bound of
// Clopper and Pearson (1934), which is exact, and without a loss close to the
// rule of three, 3/requests. It is 1 where nothing was sent or all was lost.
//
// It takes requests to be lost independently of each other. An outage is not
// like that, which is why ShortestOutage stands beside it.
func UpperBound(lost, requests uint64) float64 {
	switch {
	case lost >= requests:
		return 1
	case lost == 0:
		// The root of (1-p)^n = miss, without the loss of digits near 1.
		return -math.Expm1(math.Log(miss) / float64(requests))
	}
	// The chance of at most lost losses falls as p rises: bisect, until the two
	// ends are neighbours.
	low, high := float64(lost)/float64(requests), 1.0
	for range 200 {
		p := low + (high-low)/2
		if p == low || p == high {
			break
		}
		if atMost(lost, requests, p) > miss {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// atMost returns the chance of at most k losses among n requests, each lost with
// chance p: 1 - I_p(k+1, n-k), for k < n.
func atMost(k, n uint64, p float64) float64 {
	return 1 - incompleteBeta(p, float64(k)+1, float64(n-k))
}

// incompleteBeta returns the regularized incomplete beta function I_x(a, b), by
// its continued fraction (DLMF 8.17.22), which converges quickly below the
// distribution's mean; above it the symmetric one is taken.
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) {
		return 1 - incompleteBeta(1-x, b, a)
	}
	lab, _ := math.Lgamma(a + b)
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	return front * betaFraction(x, a, b) / a
}

// Bounds of the continued fraction: its terms grow in number with the root of
// the larger argument.
const (
	fractionTerms = 200_000
	fractionGrain = 1e-15
	fractionTiny  = 1e-300
)

// betaFraction evaluates the continued fraction by Lentz's method.
func betaFraction(x, a, b float64) float64 {
	away := func(v float64) float64 {
		if math.Abs(v) < fractionTiny {
			return fractionTiny
		}
		return v
	}
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1))
	f := d
	for i := 1; i <= fractionTerms; i++ {
		m := float64(i)
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / away(1+even*d)
		c = away(1 + even/c)
		f *= c * d
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / away(1+odd*d)
		c = away(1 + odd/c)
		step := c * d
		f *= step
		if math.Abs(step-1) < fractionGrain {
			break
		}
	}
	return f
}

// roundUp keeps four digits of a share above 0: the others depend on how a
// machine rounds.
func roundUp(share float64) float64 {
	scale := math.Pow10(3 - int(math.Floor(math.Log10(share))))
	return math.Ceil(share*scale) / scale
}

// ShortestOutage returns the length of the shortest outage that the open-loop
// lanes would have shown wherever it fell: the longest time between two requests
// that were due. The step lane is left out, since it runs for a part only; 0
// where no other open-loop lane has sent.
func ShortestOutage(lanes []*tally.Lane) time.Duration {
	var due tally.Coverage
	var from, to time.Duration
	found := false
	for _, l := range lanes {
		if !l.OpenLoop || IsStep(l.Name) || l.Requests == 0 {
			continue
		}
		due.Merge(&l.Good)
		due.Merge(&l.Bad)
		began, ended := l.Began.Sub(l.Origin), l.Ended.Sub(l.Origin)
		if !found {
			from, to, found = began, ended, true
		}
		from, to = min(from, began), max(to, ended)
	}
	if !found {
		return 0
	}
	_, length := due.LongestGap(from, to)
	return length + tally.Resolution // a gap between two cells is longer by what they hold
}
