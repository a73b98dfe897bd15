package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// scanner reads JSON (RFC 8259) from a body that is valid UTF-8. It reads values into
// the types the caller asks for and never builds a tree, so what a body costs is
// bounded by its length.
type scanner struct {
	data []byte
	at   int
}

// maxDepth bounds the nesting of values that are skipped.
const maxDepth = 32

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// found describes what stands at the current place, for errors.
func (s *scanner) found() string {
	switch c := s.peek(); {
	case s.at >= len(s.data):
		return "the end of the body"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == '-' || '0' <= c && c <= '9':
		return "a number"
	default:
		end := s.at
		for end < len(s.data) && end < s.at+16 && isWord(s.data[end]) {
			end++
		}
		if end == s.at {
			return strconv.QuoteRune(bytes.Runes(s.data[s.at:min(s.at+4, len(s.data))])[0])
		}
		return string(s.data[s.at:end])
	}
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// unexpected is the problem of finding something else at path.
func (s *scanner) unexpected(path, want string) *problem {
	reason := reasonInvalidValue
	found := s.found()
	switch c := s.peek(); {
	case s.at >= len(s.data), !isWord(c) && c != '{' && c != '[' && c != '"' && c != '-':
		reason = reasonInvalidJSON
	}
	if path != "" {
		path += ": "
	}
	return badRequest(reason, "%sfound %s at byte %d, want %s", path, found, s.at, want)
}

// open consumes the byte that begins an object or an array.
func (s *scanner) open(c byte, path, want string) *problem {
	if s.peek() != c {
		return s.unexpected(path, want)
	}
	s.at++
	return nil
}

// more is called before each element of an object or array that ends with the byte
// end, first saying whether it is the first element. It consumes the comma or the end.
func (s *scanner) more(end byte, first bool, path string) (bool, *problem) {
	c := s.peek()
	if c == end {
		s.at++
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		p := s.unexpected(path, fmt.Sprintf("',' or '%c'", end))
		p.reason = reasonInvalidJSON
		return false, p
	}
	s.at++
	return true, nil
}

// key reads an object's key and the colon behind it.
func (s *scanner) key(path string) (string, *problem) {
	if s.peek() != '"' {
		p := s.unexpected(path, "a field's name")
		p.reason = reasonInvalidJSON
		return "", p
	}
	k, p := s.text(path)
	if p != nil {
		return "", p
	}
	if s.peek() != ':' {
		p := s.unexpected(path, "':' behind the field's name")
		p.reason = reasonInvalidJSON
		return "", p
	}
	s.at++
	return k, nil
}

// raw reads a string and returns it as it stands, quotes included, and whether it has
// escapes.
func (s *scanner) raw(path string) ([]byte, bool, *problem) {
	if s.peek() != '"' {
		return nil, false, s.unexpected(path, "a string")
	}
	start, escaped := s.at, false
	for i := s.at + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.at = i + 1
			return s.data[start:s.at], escaped, nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return nil, false, badRequest(reasonInvalidJSON, "%s: control character %#02x in a string at byte %d, want it escaped", path, c, i)
		}
	}
	return nil, false, badRequest(reasonInvalidJSON, "%s: the string from byte %d has no end", path, start)
}

// text reads a string.
func (s *scanner) text(path string) (string, *problem) {
	start := s.at
	raw, escaped, p := s.raw(path)
	if p != nil {
		return "", p
	}
	if !escaped {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", badRequest(reasonInvalidJSON, "%s: the string at byte %d: %v", path, start, err)
	}
	return text, nil
}

// skip passes over any value, checking that it is JSON.
func (s *scanner) skip(path string) *problem {
	s.peek()
	decoder := json.NewDecoder(bytes.NewReader(s.data[s.at:]))
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return badRequest(reasonInvalidJSON, "%s: %v", path, err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return badRequest(reasonInvalidValue, "%s: nested more than %d deep", path, maxDepth)
		}
		if depth == 0 {
			s.at += int(decoder.InputOffset())
			return nil
		}
	}
}
