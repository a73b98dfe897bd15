package api

import (
	"math"
	"strconv"

	"rollproof/model"
)

// decimal is a JSON number as it was written: mantissa * 10^exponent.
type decimal struct {
	text     []byte
	mantissa uint64
	exponent int
	// digits is how many the mantissa was written with. It is not kept if they are more
	// than maxDigits.
	digits   int
	negative bool
}

const (
	// maxDigits always fit a uint64.
	maxDigits = 19
	// maxExponent is far beyond every type's range; a larger one is kept as it.
	maxExponent = 1 << 20
)

// decimal reads a number at the current place, without white space before it. It
// consumes nothing if there is none.
func (s *scanner) decimal() (n decimal, ok bool) {
	data, i := s.data, s.at
	if i < len(data) && data[i] == '-' {
		n.negative = true
		i++
	}
	first := i
	for i < len(data) {
		c := data[i] - '0'
		if c > 9 {
			break
		}
		n.mantissa = n.mantissa*10 + uint64(c)
		i++
	}
	n.digits = i - first
	if n.digits == 0 || (data[first] == '0' && n.digits > 1) {
		return n, false
	}
	if i < len(data) && data[i] == '.' {
		i++
		point := i
		for i < len(data) {
			c := data[i] - '0'
			if c > 9 {
				break
			}
			n.mantissa = n.mantissa*10 + uint64(c)
			i++
		}
		if i == point {
			return n, false
		}
		n.digits += i - point
		n.exponent = point - i
	}
	if i < len(data) && (isWord(data[i]) || data[i] == '.') {
		var e int
		if e, i, ok = exponent(data, i); !ok {
			return n, false
		}
		n.exponent += e
	}
	n.text = data[s.at:i]
	s.at = i
	return n, true
}

// exponent reads the exponent of a number, from its letter on.
func exponent(data []byte, i int) (value, end int, ok bool) {
	if data[i]|0x20 != 'e' {
		return 0, i, false
	}
	i++
	negative := false
	if i < len(data) && (data[i] == '+' || data[i] == '-') {
		negative = data[i] == '-'
		i++
	}
	first := i
	for i < len(data) && isDigit(data[i]) {
		value = min(value*10+int(data[i]-'0'), maxExponent)
		i++
	}
	if i == first || (i < len(data) && (isWord(data[i]) || data[i] == '.')) {
		return 0, i, false
	}
	if negative {
		value = -value
	}
	return value, i, true
}

// tens are the powers of ten that float64 holds exactly: 5^22 < 2^53.
var tens = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// near is the number without its sign as a float64, and whether it is that up to two
// roundings: one of the mantissa, if it is beyond 2^53, and one of the product.
func (n *decimal) near() (float64, bool) {
	if n.digits > maxDigits || n.exponent < -22 || n.exponent > 22 {
		return 0, false
	}
	if n.exponent < 0 {
		return float64(n.mantissa) / tens[-n.exponent], true
	}
	return float64(n.mantissa) * tens[n.exponent], true
}

// float32 is the nearest float32, which is what strconv.ParseFloat(text, 32) gives;
// false if there is no finite one.
//
// Rounding a float64 to float32 rounds twice, which differs from rounding once only
// where the float64 is next to the middle of two float32s. near is off by less than
// two units in its last place, so everything farther from the middle than that, in
// the 29 bits that are to be rounded away, is right; the rest, and what is below
// float32's normal range, where more bits go, is left to the library.
func (n *decimal) float32() (float32, bool) {
	if f, ok := n.near(); ok {
		const middle, margin = 1 << 28, 4
		low := math.Float64bits(f) & (1<<29 - 1)
		if f == 0 || (low-(middle-margin) > 2*margin && f >= 0x1p-126 && f <= math.MaxFloat32) {
			if n.negative {
				f = -f
			}
			return float32(f), true
		}
	}
	f, err := strconv.ParseFloat(string(n.text), 32)
	return float32(f), err == nil
}

// float64 is the nearest float64; false if there is no finite one.
func (n *decimal) float64() (float64, bool) {
	if f, ok := n.near(); ok && n.mantissa <= 1<<53 { // rounded once
		if n.negative {
			f = -f
		}
		return f, true
	}
	f, err := strconv.ParseFloat(string(n.text), 64)
	return f, err == nil
}

// narrow is the nearest value of a 16-bit floating point type, half to even; false if
// it is beyond the type. The number is rounded to float64 first.
func (n *decimal) narrow(d model.Datatype) (float32, bool) {
	f, ok := n.float64()
	if !ok {
		return 0, false
	}
	// Bits of the mantissa with the leading one, the exponents of the least value and
	// of the first that is too large (IEEE 754 binary16; bfloat16 is float32's upper half).
	precision, least, beyond := 11, -24, 16
	if d == model.BF16 {
		precision, least, beyond = 8, -133, 128
	}
	_, e := math.Frexp(f)
	unit := math.Ldexp(1, max(e-precision, least))
	f = math.RoundToEven(f/unit) * unit
	return float32(f), math.Abs(f) < math.Ldexp(1, beyond)
}

// whole reads a number without fraction and exponent: its size and its sign. It is
// false where it is beyond 64 bits.
func (s *scanner) whole() (size uint64, negative, ok bool, p *problem) {
	s.peek()
	start := s.at
	n, isNumber := s.decimal()
	if !isNumber {
		if c := s.peek(); isDigit(c) || c == '-' {
			return 0, false, false, notNumber(start)
		}
		return 0, false, false, s.unexpected("a whole number")
	}
	if count := len(n.text); n.digits != count && (n.digits != count-1 || !n.negative) {
		p := badRequest(reasonInvalidValue, "%s at byte %d has a fraction or an exponent, want a whole number", brief(n.text), start)
		return 0, false, false, p
	}
	if n.digits <= maxDigits {
		return n.mantissa, n.negative, true, nil
	}
	digits := n.text[len(n.text)-n.digits:]
	size, err := strconv.ParseUint(string(digits), 10, 64)
	return size, n.negative, err == nil, nil
}

// integer reads a whole number of 64 bits with sign.
func (s *scanner) integer() (int64, *problem) {
	start := s.at
	size, negative, ok, p := s.whole()
	switch {
	case p != nil:
		return 0, p
	case ok && !negative && size <= math.MaxInt64:
		return int64(size), nil
	case ok && negative && size <= 1<<63:
		return -int64(size), nil
	}
	return 0, badRequest(reasonInvalidValue, "%s is beyond 64 bits", brief(s.data[start:s.at]))
}

// notNumber is the problem of what begins like a number and is none.
func notNumber(at int) *problem {
	return badRequest(reasonInvalidJSON, "not a JSON number at byte %d", at)
}

// brief is a number's text, cut if it is long.
func brief(text []byte) string {
	const longest = 32
	if len(text) > longest {
		return string(text[:longest]) + "..."
	}
	return string(text)
}
