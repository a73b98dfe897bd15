package xgboost

import (
	"encoding/binary"
	"math"
	"strconv"
)

// ubjSource reads UBJSON, draft 12 (https://ubjson.org), whose numbers are big-endian.
// Containers may have a count, and lists of numbers one type for all. Other typed
// containers, which may hold billions of elements in no bytes at all, are refused:
// XGBoost writes none.
type ubjSource struct {
	document
	// typed is the marker of all elements of the list that is being read, else 0.
	typed byte
}

func newUBJ(data []byte) *ubjSource {
	return &ubjSource{document: document{data: data, name: "UBJSON"}}
}

// take passes n bytes and returns them.
func (s *ubjSource) take(n int) ([]byte, error) {
	if n > len(s.data)-s.at {
		return nil, s.fail("%d bytes announced and %d left", n, len(s.data)-s.at)
	}
	s.at += n
	return s.data[s.at-n : s.at], nil
}

// peek passes no-operations and returns the marker behind them, 0 at the end.
func (s *ubjSource) peek() byte {
	if s.typed != 0 {
		return s.typed
	}
	for ; s.at < len(s.data); s.at++ {
		if s.data[s.at] != 'N' {
			return s.data[s.at]
		}
	}
	return 0
}

// marker passes the marker of a value and returns it.
func (s *ubjSource) marker() byte {
	m := s.peek()
	if s.typed == 0 && s.at < len(s.data) {
		s.at++
	}
	return m
}

// unexpected reports a marker that was passed.
func (s *ubjSource) unexpected(m byte, want string) error {
	if m == 0 && s.at >= len(s.data) {
		return s.fail("the file ends, want %s", want)
	}
	return s.fail("marker %q, want %s", m, want)
}

// width is the number of bytes of a number with that marker, 0 for what is none.
func width(m byte) int {
	switch m {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

// whole is a whole number with that marker. ok is false for other markers.
func whole(m byte, b []byte) (v int64, ok bool) {
	switch m {
	case 'i':
		return int64(int8(b[0])), true
	case 'U':
		return int64(b[0]), true
	case 'I':
		return int64(int16(binary.BigEndian.Uint16(b))), true
	case 'l':
		return int64(int32(binary.BigEndian.Uint32(b))), true
	case 'L':
		return int64(binary.BigEndian.Uint64(b)), true
	}
	return 0, false
}

// float is a number with that marker, which width knows, rounded to float32.
func float(m byte, b []byte) float32 {
	switch m {
	case 'd':
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	case 'D':
		return float32(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
	v, _ := whole(m, b)
	return float32(v)
}

// length reads a size. It is not believed: only 0 or more is sure.
func (s *ubjSource) length() (int, error) {
	m := s.marker()
	b, err := s.take(width(m))
	if err != nil {
		return 0, err
	}
	v, ok := whole(m, b)
	if !ok {
		return 0, s.unexpected(m, "a length")
	}
	if v < 0 || v > math.MaxInt {
		return 0, s.fail("length %d, want 0 or more", v)
	}
	return int(v), nil
}

// opening reads the marker of a container and what may follow it: the type of its
// elements (else 0) and their count (else -1).
func (s *ubjSource) opening(m byte, want string) (typed byte, count int, err error) {
	if got := s.marker(); got != m {
		return 0, 0, s.unexpected(got, want)
	}
	if s.peek() == '$' {
		s.at++
		if typed = s.marker(); width(typed) == 0 || m != '[' {
			return 0, 0, s.fail("a container of elements of type %q, want a list of numbers", typed)
		}
		if s.peek() != '#' {
			return 0, 0, s.unexpected(s.marker(), "the number of elements")
		}
	}
	if s.peek() != '#' {
		return typed, -1, nil
	}
	s.at++
	count, err = s.length()
	if err == nil && typed != 0 && count > (len(s.data)-s.at)/width(typed) {
		err = s.fail("%d numbers announced and %d bytes left", count, len(s.data)-s.at)
	}
	return typed, count, err
}

// more says whether a container has an element i, and passes its end.
func (s *ubjSource) more(i, count int, closing byte) bool {
	if count >= 0 {
		return i < count
	}
	if s.peek() != closing {
		return true
	}
	s.at++
	return false
}

func (s *ubjSource) object(member func(key string) error) error {
	_, count, err := s.opening('{', "an object")
	if err != nil {
		return err
	}
	if err := s.descend(); err != nil {
		return err
	}
	for i := 0; s.more(i, count, '}'); i++ {
		key, err := s.plain()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
	}
	s.depth--
	return nil
}

func (s *ubjSource) array(element func(i int) error) error {
	typed, count, err := s.opening('[', "a list")
	if err != nil {
		return err
	}
	if err := s.descend(); err != nil {
		return err
	}
	for i := 0; s.more(i, count, ']'); i++ {
		s.typed = typed
		if err := element(i); err != nil {
			return err
		}
		s.typed = 0
	}
	s.depth--
	return nil
}

// plain reads a string without its marker.
func (s *ubjSource) plain() (string, error) {
	n, err := s.length()
	if err != nil {
		return "", err
	}
	if n > maxText {
		return "", s.fail("a string of %d bytes, want at most %d", n, maxText)
	}
	b, err := s.take(n)
	return string(b), err
}

func (s *ubjSource) text() (string, error) {
	if m := s.marker(); m != 'S' {
		return "", s.unexpected(m, "a string")
	}
	return s.plain()
}

func (s *ubjSource) scalar() (string, error) {
	if s.peek() == 'S' {
		return s.text()
	}
	m := s.marker()
	b, err := s.take(width(m))
	if err != nil {
		return "", err
	}
	if v, ok := whole(m, b); ok {
		return strconv.FormatInt(v, 10), nil
	}
	if len(b) == 0 {
		return "", s.unexpected(m, "a string or a number")
	}
	return strconv.FormatFloat(float64(float(m, b)), 'g', -1, 32), nil
}

func (s *ubjSource) floats(into []float32) ([]float32, error) {
	err := s.numbers(func(m byte, b []byte) bool {
		into = append(into, float(m, b))
		return len(b) > 0
	}, "a number")
	return into, err
}

func (s *ubjSource) integers(into []int32) ([]int32, error) {
	err := s.numbers(func(m byte, b []byte) bool {
		v, ok := whole(m, b)
		if m == 'T' || m == 'F' {
			ok = true
			if m == 'T' {
				v = 1
			}
		}
		into = append(into, clamp(v))
		return ok
	}, "a whole number")
	return into, err
}

// numbers calls each with the marker and the bytes of each element of a list, until
// each says that it is not what is wanted.
func (s *ubjSource) numbers(each func(m byte, b []byte) bool, want string) error {
	typed, count, err := s.opening('[', "a list")
	if err != nil {
		return err
	}
	for i := 0; s.more(i, count, ']'); i++ {
		m := typed
		if m == 0 {
			m = s.marker()
		}
		b, err := s.take(width(m))
		if err != nil {
			return err
		}
		if !each(m, b) {
			return s.unexpected(m, want)
		}
	}
	return nil
}

func (s *ubjSource) skip() error {
	switch m := s.peek(); m {
	case '{':
		return s.object(func(string) error { return s.skip() })
	case '[':
		start := s.at
		typed, count, err := s.opening('[', "a list")
		if err != nil {
			return err
		}
		if typed != 0 {
			_, err := s.take(count * width(typed))
			return err
		}
		s.at = start
		return s.array(func(int) error { return s.skip() })
	case 'S', 'H':
		s.at++
		n, err := s.length()
		if err != nil {
			return err
		}
		_, err = s.take(n)
		return err
	case 'Z', 'T', 'F':
		s.at++
		return nil
	case 'C':
		_, err := s.take(2)
		return err
	default:
		if s.marker(); width(m) == 0 {
			return s.unexpected(m, "a value")
		}
		_, err := s.take(width(m))
		return err
	}
}

func (s *ubjSource) end() error {
	if m := s.peek(); s.at < len(s.data) {
		return s.unexpected(m, "the end of the file")
	}
	return nil
}
