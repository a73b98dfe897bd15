package tree

import "math"

// zero is what ZeroMissing takes for zero at most: LightGBM's kZeroThreshold, which is
// float32's nearest to 1e-35 (include/LightGBM/meta.h).
const zero = 1.0000000180025095e-35

// left decides a split by its definition. Only special splits are decided so.
func (s *Split) left(x float64, sets []uint32) bool {
	if x != x || (s.ZeroMissing && math.Abs(x) <= zero) {
		return s.MissingLeft
	}
	switch s.Test {
	case Less:
		return x < s.Threshold
	case Equal:
		return x == s.Threshold
	case Member:
		if x <= -1 || x >= math.MaxUint32 || (s.Unsigned && x < 0) {
			return false
		}
		k := uint32(int64(x)) // cut towards zero: -0.5 is 0, as in C
		return k/32 < s.SetWords && sets[s.Set+k/32]>>(k%32)&1 == 1
	default:
		return x <= s.Threshold
	}
}
