package tree

import "math"

// A leaf's payload is what is needed to add it: with one weight for each leaf that
// float32 holds, the weight's bits, so that no memory is touched for it; else the
// leaf's number, which is the place of its weights.

// payout is how payloads become scores.
type payout struct {
	// sum adds the payloads of trees from.. to a row's scores.
	sum func(p *payout, payloads []int32, from int, scores []float64)
	// score of each tree, nil if there is one score, or a leaf has more than one.
	score []uint32
	// floats or doubles have the weights by leaf number: one for each leaf, or one for
	// each of its scores.
	floats  []float32
	doubles []float64
	// starts and weights are an Ensemble's, where leaves are not all alike.
	starts    []uint32
	weights   []Weight
	aggregate Aggregate
	float32   bool
}

// exact says that float32 holds the value.
func exact(x float64) bool { return float64(float32(x)) == x }

// choose finds the cheapest way of summing the ensemble, and the payloads for it.
func choose(e *Ensemble, s *shape) (payout, func(leaf int32) int32) {
	number := func(leaf int32) int32 { return leaf }
	p := payout{sum: sumAny, aggregate: e.Aggregate, float32: e.Float32}
	narrow := true
	for i := range e.Weights {
		narrow = narrow && exact(e.Weights[i].Value)
	}
	bases := true // float32 sums of them are float32 additions
	for _, b := range e.Base {
		bases = bases && (e.BaseLast || exact(b))
	}
	single := singles(e, s)
	switch {
	case e.Aggregate != Sum || (e.Float32 && !(narrow && bases)): //nolint:staticcheck // as it is said
	case single && narrow:
		p.sum = sumBits
		p.score = scores(e, s)
		return p, func(leaf int32) int32 { return int32(math.Float32bits(float32(e.Weights[e.Leaves[leaf]].Value))) }
	case single:
		p.sum = sumDoubles
		p.score = scores(e, s)
		p.doubles = make([]float64, len(e.Leaves)-1)
		for i := range p.doubles {
			if e.Leaves[i+1] > e.Leaves[i] {
				p.doubles[i] = e.Weights[e.Leaves[i]].Value
			}
		}
		return p, number
	case dense(e):
		if narrow {
			p.floats = spread[float32](e)
		} else {
			p.doubles = spread[float64](e)
		}
		p.sum = sumDense
		return p, number
	}
	p.starts, p.weights = e.Leaves, e.Weights
	return p, number
}

// singles says whether each tree gives one weight to one score whatever the row.
func singles(e *Ensemble, s *shape) bool {
	for _, root := range e.Roots {
		if _, _, score := s.of(e, root); score < 0 {
			return false
		}
	}
	return true
}

// scores of the trees, nil if there is one.
func scores(e *Ensemble, s *shape) []uint32 {
	if e.Scores == 1 {
		return nil
	}
	list := make([]uint32, len(e.Roots))
	for i, root := range e.Roots {
		_, _, score := s.of(e, root)
		list[i] = uint32(score)
	}
	return list
}

// dense says whether a weight for each leaf and score takes not much more memory than
// the weights that there are, and sums to the same: what a leaf does not give becomes
// 0, which changes nothing but -0.
func dense(e *Ensemble) bool {
	leaves := len(e.Leaves) - 1
	if leaves > (2*len(e.Weights)+leaves)/e.Scores {
		return false
	}
	for _, b := range e.Base {
		if b == 0 && math.Signbit(b) {
			return false
		}
	}
	seen := make([]int32, e.Scores)
	for i := range leaves {
		for _, w := range e.Weights[e.Leaves[i]:e.Leaves[i+1]] {
			if seen[w.Score] == int32(i)+1 {
				return false // two weights for one score have an order
			}
			seen[w.Score] = int32(i) + 1
		}
	}
	return true
}

// spread lays the weights out as dense wants them.
func spread[V Float](e *Ensemble) []V {
	leaves := len(e.Leaves) - 1
	list := make([]V, leaves*e.Scores)
	for i := range leaves {
		for _, w := range e.Weights[e.Leaves[i]:e.Leaves[i+1]] {
			list[i*e.Scores+int(w.Score)] = V(w.Value)
		}
	}
	return list
}

// sumBits sums payloads that are weights.
func sumBits(p *payout, payloads []int32, from int, scores []float64) {
	switch {
	case p.score != nil && p.float32:
		for i, k := range p.score[from : from+len(payloads)] {
			scores[k] = float64(float32(scores[k]) + math.Float32frombits(uint32(payloads[i])))
		}
	case p.score != nil:
		for i, k := range p.score[from : from+len(payloads)] {
			scores[k] += float64(math.Float32frombits(uint32(payloads[i])))
		}
	case p.float32:
		s := float32(scores[0])
		for _, b := range payloads {
			s += math.Float32frombits(uint32(b))
		}
		scores[0] = float64(s)
	default:
		s := scores[0]
		for _, b := range payloads {
			s += float64(math.Float32frombits(uint32(b)))
		}
		scores[0] = s
	}
}

// sumDoubles sums one float64 a leaf.
func sumDoubles(p *payout, payloads []int32, from int, scores []float64) {
	if p.score != nil {
		for i, k := range p.score[from : from+len(payloads)] {
			scores[k] += p.doubles[payloads[i]]
		}
		return
	}
	s := scores[0]
	for _, leaf := range payloads {
		s += p.doubles[leaf]
	}
	scores[0] = s
}

// sumDense sums a weight for each score a leaf.
func sumDense(p *payout, payloads []int32, _ int, scores []float64) {
	switch {
	case p.float32:
		strips[float32](p.floats, payloads, scores)
	case p.floats != nil:
		strips[float64](p.floats, payloads, scores)
	default:
		strips[float64](p.doubles, payloads, scores)
	}
}

// strips adds dense weights: a few scores at a time, whose sums stay in registers.
func strips[A, V Float](weights []V, payloads []int32, scores []float64) {
	n, at := len(scores), 0
	for ; at+4 <= n; at += 4 {
		s := (*[4]float64)(scores[at:])
		s0, s1, s2, s3 := A(s[0]), A(s[1]), A(s[2]), A(s[3])
		for _, leaf := range payloads {
			w := (*[4]V)(weights[int(leaf)*n+at:])
			s0 += A(w[0])
			s1 += A(w[1])
			s2 += A(w[2])
			s3 += A(w[3])
		}
		s[0], s[1], s[2], s[3] = float64(s0), float64(s1), float64(s2), float64(s3)
	}
	switch rest := scores[at:]; len(rest) {
	case 3:
		s0, s1, s2 := A(rest[0]), A(rest[1]), A(rest[2])
		for _, leaf := range payloads {
			w := (*[3]V)(weights[int(leaf)*n+at:])
			s0 += A(w[0])
			s1 += A(w[1])
			s2 += A(w[2])
		}
		rest[0], rest[1], rest[2] = float64(s0), float64(s1), float64(s2)
	case 2:
		s0, s1 := A(rest[0]), A(rest[1])
		for _, leaf := range payloads {
			w := (*[2]V)(weights[int(leaf)*n+at:])
			s0 += A(w[0])
			s1 += A(w[1])
		}
		rest[0], rest[1] = float64(s0), float64(s1)
	case 1:
		s := A(rest[0])
		for _, leaf := range payloads {
			s += A(weights[int(leaf)*n+at])
		}
		rest[0] = float64(s)
	}
}

// sumAny aggregates leaves of any number of weights.
func sumAny(p *payout, payloads []int32, _ int, scores []float64) {
	for _, leaf := range payloads {
		for _, w := range p.weights[p.starts[leaf]:p.starts[leaf+1]] {
			s := &scores[w.Score]
			switch p.aggregate {
			case Min:
				*s = min(*s, w.Value)
			case Max:
				*s = max(*s, w.Value)
			default:
				*s += w.Value
				if p.float32 {
					*s = float64(float32(*s))
				}
			}
		}
	}
}
