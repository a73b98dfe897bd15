package api

import (
	"errors"
	"strconv"
)

var (
	errNotNumber = errors.New("not a JSON number")
	errRange     = errors.New("not a finite FP32 value")
)

// tens are the powers of ten that float32 holds exactly: 5^10 < 2^24.
var tens = [...]float32{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}

// number reads a JSON number at the current place, without white space before it, as
// the float32 nearest to it, which is what strconv.ParseFloat(text, 32) gives.
// Reading a float64 and rounding that would round twice.
//
// Decimals of few digits, which is what data mostly is, are computed here: digits
// below 2^24 and a power of ten up to 10^10 are exact in float32, so their one
// division is rounded once (W. D. Clinger, "How to read floating point numbers
// accurately", 1990).
func (s *scanner) number() (float32, error) {
	data, start := s.data, s.at
	i := start
	if i < len(data) && data[i] == '-' {
		i++
	}
	first := i
	mantissa, digits := uint32(0), 0
	for ; i < len(data) && isDigit(data[i]); i++ {
		if digits < 8 {
			mantissa = mantissa*10 + uint32(data[i]-'0')
		}
		digits++
	}
	if i == first || (data[first] == '0' && i > first+1) {
		return 0, errNotNumber
	}
	fraction := 0
	if i < len(data) && data[i] == '.' {
		i++
		for ; i < len(data) && isDigit(data[i]); i++ {
			if digits < 8 {
				mantissa = mantissa*10 + uint32(data[i]-'0')
			}
			digits++
			fraction++
		}
		if fraction == 0 {
			return 0, errNotNumber
		}
	}
	exponent := i < len(data) && (data[i] == 'e' || data[i] == 'E')
	if exponent {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		begin := i
		for i < len(data) && isDigit(data[i]) {
			i++
		}
		if i == begin {
			return 0, errNotNumber
		}
	}
	if i < len(data) && (isWord(data[i]) || data[i] == '.') {
		return 0, errNotNumber
	}
	s.at = i
	if !exponent && digits <= 8 && mantissa < 1<<24 {
		v := float32(mantissa) / tens[fraction]
		if first > start {
			v = -v
		}
		return v, nil
	}
	v, err := strconv.ParseFloat(string(data[start:i]), 32)
	if err != nil {
		s.at = start
		return 0, errRange
	}
	return float32(v), nil
}

// integer reads a JSON number that is a whole number without fraction or exponent.
func (s *scanner) integer(path string) (int64, *problem) {
	s.peek()
	i := s.at
	if i < len(s.data) && s.data[i] == '-' {
		i++
	}
	first := i
	for i < len(s.data) && isDigit(s.data[i]) {
		i++
	}
	if i == first || (s.data[first] == '0' && i > first+1) ||
		(i < len(s.data) && (isWord(s.data[i]) || s.data[i] == '.')) {
		return 0, s.unexpected(path, "a whole number")
	}
	v, err := strconv.ParseInt(string(s.data[s.at:i]), 10, 64)
	if err != nil {
		return 0, badRequest(reasonInvalidValue, "%s: %s is beyond 64 bits", path, s.data[s.at:i])
	}
	s.at = i
	return v, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
