package api

import (
	"math"
	"slices"

	"rollproof/model"
)

// bounds are the least and the largest value of the integer datatypes that are
// narrower than 64 bits.
var bounds = map[model.Datatype][2]int64{
	model.Uint8:  {0, math.MaxUint8},
	model.Uint16: {0, math.MaxUint16},
	model.Uint32: {0, math.MaxUint32},
	model.Int8:   {math.MinInt8, math.MaxInt8},
	model.Int16:  {math.MinInt16, math.MaxInt16},
	model.Int32:  {math.MinInt32, math.MaxInt32},
}

// elements reads elements up to the bracket that closes their array and puts them
// behind v's. It returns how many there were; more than limit, if that is not negative,
// are a problem.
func (s *scanner) elements(v *model.Value, limit int) (n int, p *problem) {
	switch v.Datatype {
	case model.FP32:
		v.Floats, n, p = run(s, v.Floats, limit, (*scanner).single)
	case model.FP64:
		v.Doubles, n, p = run(s, v.Doubles, limit, (*scanner).double)
	case model.FP16, model.BF16:
		v.Floats, n, p = run(s, v.Floats, limit, func(s *scanner) (float32, *problem) { return s.half(v.Datatype) })
	case model.Bool:
		v.Ints, n, p = run(s, v.Ints, limit, (*scanner).bit)
	case model.Bytes:
		v.Texts, n, p = run(s, v.Texts, limit, (*scanner).bytes)
	default:
		bounded := bounds[v.Datatype]
		v.Ints, n, p = run(s, v.Ints, limit, func(s *scanner) (int64, *problem) { return s.sized(v.Datatype, bounded) })
	}
	return n, p
}

// element reads one element and puts it behind v's.
func (s *scanner) element(v *model.Value) (p *problem) {
	switch v.Datatype {
	case model.FP32:
		v.Floats, p = one(s, v.Floats, (*scanner).single)
	case model.FP64:
		v.Doubles, p = one(s, v.Doubles, (*scanner).double)
	case model.FP16, model.BF16:
		v.Floats, p = one(s, v.Floats, func(s *scanner) (float32, *problem) { return s.half(v.Datatype) })
	case model.Bool:
		v.Ints, p = one(s, v.Ints, (*scanner).bit)
	case model.Bytes:
		v.Texts, p = one(s, v.Texts, (*scanner).bytes)
	default:
		v.Ints, p = one(s, v.Ints, func(s *scanner) (int64, *problem) { return s.sized(v.Datatype, bounds[v.Datatype]) })
	}
	return p
}

// one reads an element and puts it behind the list's.
func one[T any](s *scanner, list []T, read func(*scanner) (T, *problem)) ([]T, *problem) {
	x, p := read(s)
	return append(list, x), p
}

// run is elements for one kind of list. This loop is most of a request's time.
func run[T any](s *scanner, list []T, limit int, read func(*scanner) (T, *problem)) ([]T, int, *problem) {
	if limit >= 0 {
		// Each element takes two bytes of the body or more: memory comes with bytes.
		list = slices.Grow(list, min(limit, (len(s.data)-s.at)/2+1))
	}
	for n := 0; ; n++ {
		c := s.peek()
		if c == ']' {
			s.at++
			return list, n, nil
		}
		if n > 0 {
			if c != ',' {
				return list, n, s.syntax("',' or ']'").at(n)
			}
			s.at++
			c = s.peek()
		}
		if n == limit && c != ']' {
			return list, n, badRequest(reasonShapeMismatch, "more than %d values, want %d as the shape says", limit, limit)
		}
		x, p := read(s)
		if p != nil {
			return list, n, p.at(n)
		}
		list = append(list, x)
	}
}

// number reads a number of a floating point type, or a missing value: then missing is
// true.
func (s *scanner) number() (n decimal, missing bool, p *problem) {
	n, ok := s.decimal()
	switch c := s.peek(); {
	case ok:
		return n, false, nil
	case s.nulls && s.word("null"):
		return n, true, nil
	case s.nulls:
		return n, false, s.unexpected("a number or null")
	case isDigit(c), c == '-' && (s.at+1 >= len(s.data) || s.data[s.at+1] != 'I'):
		return n, false, notNumber(s.at)
	}
	return n, false, s.unexpected("a number")
}

// beyond is the problem of a number that a datatype has no finite value for.
func beyond(n *decimal, d model.Datatype) *problem {
	return badRequest(reasonInvalidValue, "not a finite %s value: %s", d, brief(n.text))
}

func (s *scanner) single() (float32, *problem) {
	n, ok := s.decimal()
	if !ok {
		_, missing, p := s.number()
		if missing {
			return float32(math.NaN()), nil
		}
		return 0, p
	}
	f, ok := n.float32()
	if !ok {
		return 0, beyond(&n, model.FP32)
	}
	return f, nil
}

func (s *scanner) double() (float64, *problem) {
	n, missing, p := s.number()
	if p != nil || missing {
		return math.NaN(), p
	}
	f, ok := n.float64()
	if !ok {
		return 0, beyond(&n, model.FP64)
	}
	return f, nil
}

// half reads an FP16 or a BF16.
func (s *scanner) half(d model.Datatype) (float32, *problem) {
	n, missing, p := s.number()
	if p != nil || missing {
		return float32(math.NaN()), p
	}
	f, ok := n.narrow(d)
	if !ok {
		return 0, beyond(&n, d)
	}
	return f, nil
}

// bit reads a BOOL.
func (s *scanner) bit() (int64, *problem) {
	b, p := s.flag()
	if b {
		return 1, p
	}
	return 0, p
}

// sized reads an integer: of 64 bits, or within bounds.
func (s *scanner) sized(d model.Datatype, bounds [2]int64) (int64, *problem) {
	start := s.at
	size, negative, ok, p := s.whole()
	if p != nil {
		return 0, p
	}
	least, most := bounds[0], uint64(bounds[1])
	switch d {
	case model.Uint64:
		least, most = 0, math.MaxUint64
	case model.Int64:
		least, most = math.MinInt64, math.MaxInt64
	}
	switch {
	case ok && !negative && size <= most:
		return int64(size), nil
	case ok && negative && size <= -uint64(least):
		return -int64(size), nil
	}
	return 0, badRequest(reasonInvalidValue, "%s is no %s value, want %d to %d", brief(s.data[start:s.at]), d, least, most)
}

// bytes reads a BYTES element: the UTF-8 of a string.
func (s *scanner) bytes() (string, *problem) {
	b, p := s.text()
	return string(b), p
}
