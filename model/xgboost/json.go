package xgboost

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/bits"
	"strconv"
)

// jsonSource reads JSON as XGBoost writes it, which knows NaN, Infinity and -Infinity
// as numbers. Values that are skipped are passed by their brackets and quotes alone:
// they are most of a file.
type jsonSource struct{ document }

func newJSON(data []byte) *jsonSource {
	s := &jsonSource{document{data: data, name: "JSON"}}
	s.at = len(data) - len(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	return s
}

// space passes white space and returns the byte behind it, 0 at the end.
func (s *jsonSource) space() byte {
	for ; s.at < len(s.data); s.at++ {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
		default:
			return s.data[s.at]
		}
	}
	return 0
}

// unexpected reports the byte at the source's place.
func (s *jsonSource) unexpected(want string) error {
	if s.at >= len(s.data) {
		return s.fail("the file ends, want %s", want)
	}
	return s.fail("%q, want %s", s.data[s.at], want)
}

// expect passes white space and that byte.
func (s *jsonSource) expect(c byte, want string) error {
	if s.space() != c || s.at >= len(s.data) {
		return s.unexpected(want)
	}
	s.at++
	return nil
}

// more passes what is between two values of a container, and says whether another
// follows.
func (s *jsonSource) more(first bool, closing byte) (bool, error) {
	c := s.space()
	switch {
	case c == closing:
		s.at++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.at++
		if s.space() == closing {
			return false, s.unexpected("a value")
		}
		return true, nil
	}
	return false, s.unexpected("a comma or " + string(closing))
}

func (s *jsonSource) object(member func(key string) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	if err := s.descend(); err != nil {
		return err
	}
	for first := true; ; first = false {
		another, err := s.more(first, '}')
		if err != nil {
			return err
		}
		if !another {
			s.depth--
			return nil
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if err := s.expect(':', "a colon"); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
	}
}

func (s *jsonSource) array(element func(i int) error) error {
	if err := s.expect('[', "a list"); err != nil {
		return err
	}
	if err := s.descend(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		another, err := s.more(i == 0, ']')
		if err != nil {
			return err
		}
		if !another {
			s.depth--
			return nil
		}
		if err := element(i); err != nil {
			return err
		}
	}
}

// quoted passes a string and returns it with its quotes.
func (s *jsonSource) quoted() ([]byte, error) {
	if s.space() != '"' {
		return nil, s.unexpected("a string")
	}
	start := s.at
	for i := s.at + 1; ; i++ {
		n := bytes.IndexByte(s.data[i:], '"')
		if n < 0 {
			return nil, s.fail("the file ends within a string")
		}
		i += n
		slashes := i - len(bytes.TrimRight(s.data[start:i], `\`)) - start
		if slashes%2 == 0 {
			s.at = i + 1
			return s.data[start:s.at], nil
		}
	}
}

func (s *jsonSource) text() (string, error) {
	raw, err := s.quoted()
	if err != nil {
		return "", err
	}
	if len(raw) > maxText {
		return "", s.fail("a string of %d bytes, want at most %d", len(raw), maxText)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", s.fail("string: %v", err)
	}
	return text, nil
}

func (s *jsonSource) scalar() (string, error) {
	if s.space() == '"' {
		return s.text()
	}
	token, err := s.token()
	return string(token), err
}

// token passes a number, a boolean or null and returns it.
func (s *jsonSource) token() ([]byte, error) {
	s.space()
	start := s.at
	for s.at < len(s.data) && s.at-start <= maxText {
		c := s.data[s.at]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '+' && c != '.' {
			break
		}
		s.at++
	}
	if s.at == start || s.at-start > maxText {
		return nil, s.unexpected("a number")
	}
	return s.data[start:s.at], nil
}

func (s *jsonSource) floats(into []float32) ([]float32, error) {
	err := s.array(func(int) error {
		token, err := s.token()
		if err != nil {
			return err
		}
		v, err := number(token)
		if err != nil {
			return s.fail("%q, want a number", token)
		}
		into = append(into, v)
		return nil
	})
	return into, err
}

// errNumber says that a token is no number.
var errNumber = errors.New("no number")

// number is the float32 nearest to a token. What is too large is infinite.
func number(token []byte) (float32, error) {
	for _, c := range token {
		if c == 'x' || c == 'X' || c == 'p' || c == 'P' {
			return 0, errNumber // hexadecimal, which ParseFloat would take
		}
	}
	if c := token[0]; c == '+' || c == '.' {
		return 0, errNumber
	}
	v, err := strconv.ParseFloat(string(token), 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errNumber
	}
	return float32(v), nil
}

func (s *jsonSource) integers(into []int32) ([]int32, error) {
	err := s.array(func(int) error {
		v, err := s.integer()
		into = append(into, v)
		return err
	})
	return into, err
}

// integer reads a whole number or a boolean.
func (s *jsonSource) integer() (int32, error) {
	token, err := s.token()
	if err != nil {
		return 0, err
	}
	switch string(token) {
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	digits := token
	if token[0] == '-' {
		digits = token[1:]
	}
	v := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, s.fail("%q, want a whole number", token)
		}
		v = min(v*10+int64(c-'0'), 1<<40)
	}
	if len(digits) == 0 {
		return 0, s.fail("%q, want a whole number", token)
	}
	if len(digits) < len(token) {
		v = -v
	}
	return clamp(v), nil
}

// skip passes a value by its brackets and strings: open has a bit for each bracket that
// is open, set for a brace.
func (s *jsonSource) skip() error {
	switch s.space() {
	case '"':
		_, err := s.quoted()
		return err
	case '[', '{':
	default:
		_, err := s.token()
		return err
	}
	open := uint64(1) // a bit above the brackets' tells how many there are
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case '"':
			if _, err := s.quoted(); err != nil {
				return err
			}
			s.at--
		case '[', '{':
			if bits.Len64(open)+s.depth >= maxDepth {
				return s.fail("more than %d values within one another", maxDepth)
			}
			open <<= 1
			if c == '{' {
				open |= 1
			}
		case ']', '}':
			if (c == '}') != (open&1 == 1) {
				return s.unexpected("the other bracket")
			}
			if open >>= 1; open == 1 {
				s.at++
				return nil
			}
		}
	}
	return s.fail("the file ends within a value")
}

func (s *jsonSource) end() error {
	if s.space() != 0 || s.at < len(s.data) {
		return s.unexpected("the end of the file")
	}
	return nil
}
