package api

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259). It reads values into the types the caller asks for
// and never builds a tree, so what a body costs is bounded by its length. Its problems
// have no path: callers add theirs.
type scanner struct {
	data []byte
	at   int
	// nulls lets a null stand for a floating point value that is missing.
	nulls bool
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
	case c == '-' && s.at+1 < len(s.data) && s.data[s.at+1] == 'I':
		return "-Infinity"
	case c == '-' || isDigit(c):
		return "a number"
	default:
		end := s.at
		for end < len(s.data) && end < s.at+16 && isWord(s.data[end]) {
			end++
		}
		if end == s.at {
			r, _ := utf8.DecodeRune(s.data[s.at:])
			return strconv.QuoteRune(r)
		}
		return string(s.data[s.at:end])
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_'
}

// unexpected is the problem of finding something else.
func (s *scanner) unexpected(want string) *problem {
	reason := reasonInvalidValue
	found := s.found()
	switch c := s.peek(); {
	case s.at >= len(s.data), !isWord(c) && c != '{' && c != '[' && c != '"' && c != '-':
		reason = reasonInvalidJSON
	}
	p := badRequest(reason, "found %s at byte %d, want %s", found, s.at, want)
	p.null = found == "null"
	return p
}

// syntax is unexpected where nothing but a certain byte makes JSON of it.
func (s *scanner) syntax(want string) *problem {
	p := s.unexpected(want)
	p.reason = reasonInvalidJSON
	return p
}

// open consumes the byte that begins an object or an array.
func (s *scanner) open(c byte, want string) *problem {
	if s.peek() != c {
		return s.unexpected(want)
	}
	s.at++
	return nil
}

// more is called before each element of an object or array that ends with the byte
// end, first saying whether it is the first element. It consumes the comma or the end.
func (s *scanner) more(end byte, first bool) (bool, *problem) {
	c := s.peek()
	if c == end {
		s.at++
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, s.syntax("',' or '" + string(end) + "'")
	}
	s.at++
	return true, nil
}

// key reads an object's key and the colon behind it. The key is a piece of the body
// where it can be.
func (s *scanner) key() ([]byte, *problem) {
	if s.peek() != '"' {
		return nil, s.syntax("a field's name")
	}
	k, p := s.text()
	if p != nil {
		return nil, p
	}
	if s.peek() != ':' {
		return nil, s.syntax("':' behind the field's name")
	}
	s.at++
	return k, nil
}

// members reads an object and calls each with every key, to read the value.
func (s *scanner) members(each func(key []byte) *problem) *problem {
	if p := s.open('{', "a JSON object"); p != nil {
		return p
	}
	for first := true; ; first = false {
		more, p := s.more('}', first)
		if p != nil || !more {
			return p
		}
		key, p := s.key()
		if p != nil {
			return p
		}
		if p := each(key); p != nil {
			return p
		}
	}
}

// object reads an object of which no field may come twice, and calls each with a
// field's place in the list of fields that there may be, at most 32. It returns a bit
// for each field seen.
func (s *scanner) object(fields []string, each func(field int) *problem) (seen uint32, p *problem) {
	p = s.members(func(key []byte) *problem {
		for i, name := range fields {
			if string(key) != name {
				continue
			}
			if seen&(1<<i) != 0 {
				return badRequest(reasonDuplicateField, "given twice").in(name)
			}
			seen |= 1 << i
			return each(i).in(name)
		}
		return badRequest(reasonUnknownField, "no such field, want one of %q", fields).in(printable(key))
	})
	return seen, p
}

// printable is a key as it may stand in a path.
func printable(key []byte) string {
	const longest = 64
	if len(key) > longest {
		key = key[:longest]
	}
	if q := strconv.Quote(string(key)); len(q) != len(key)+2 {
		return q
	}
	return string(key)
}

// quoted is a text of the body in quotes, cut if it is long.
func quoted(text []byte) string {
	const longest = 64
	if len(text) > longest {
		return strconv.Quote(string(text[:longest])) + "..."
	}
	return strconv.Quote(string(text))
}

// list reads an array and calls each with every element's place, to read it.
func (s *scanner) list(want string, each func(i int) *problem) *problem {
	if p := s.open('[', want); p != nil {
		return p
	}
	for i := 0; ; i++ {
		more, p := s.more(']', i == 0)
		if p != nil || !more {
			return p
		}
		if p := each(i); p != nil {
			return p.at(i)
		}
	}
}

// raw reads a string and returns it as it stands, quotes included, and whether it has
// escapes.
func (s *scanner) raw() (text []byte, escaped bool, p *problem) {
	if s.peek() != '"' {
		return nil, false, s.unexpected("a string")
	}
	start := s.at
	high := byte(0)
	for i := s.at + 1; i < len(s.data); i++ {
		c := s.data[i]
		high |= c
		switch {
		case c == '"':
			text = s.data[start : i+1]
			if high >= utf8.RuneSelf && !utf8.Valid(text) {
				return nil, false, badRequest(reasonInvalidJSON, "the string at byte %d is not valid UTF-8", start)
			}
			s.at = i + 1
			return text, escaped, nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return nil, false, badRequest(reasonInvalidJSON, "control character %#02x in a string at byte %d, want it escaped", c, i)
		}
	}
	return nil, false, badRequest(reasonInvalidJSON, "the string from byte %d has no end", start)
}

// text reads a string. It is a piece of the body unless it has escapes.
func (s *scanner) text() ([]byte, *problem) {
	raw, escaped, p := s.raw()
	if p != nil {
		return nil, p
	}
	if !escaped {
		return raw[1 : len(raw)-1], nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, badRequest(reasonInvalidJSON, "the string at byte %d: %v", s.at-len(raw), err)
	}
	return []byte(text), nil
}

// flag reads true or false.
func (s *scanner) flag() (bool, *problem) {
	s.peek()
	switch {
	case s.word("true"):
		return true, nil
	case s.word("false"):
		return false, nil
	}
	return false, s.unexpected("true or false")
}

// word consumes the word if it stands at the current place.
func (s *scanner) word(word string) bool {
	rest := s.data[s.at:]
	if len(rest) < len(word) || string(rest[:len(word)]) != word || (len(rest) > len(word) && isWord(rest[len(word)])) {
		return false
	}
	s.at += len(word)
	return true
}

// skip passes over any value, checking that it is JSON and nested no deeper than
// maxDepth.
func (s *scanner) skip() *problem { return s.pass(maxDepth) }

// pass is skip with the depth that is left.
func (s *scanner) pass(depth int) *problem {
	c := s.peek()
	if depth == 0 && (c == '{' || c == '[') {
		return badRequest(reasonInvalidValue, "nested more than %d deep at byte %d", maxDepth, s.at)
	}
	switch {
	case c == '"':
		_, p := s.text()
		return p
	case c == '{':
		return s.members(func([]byte) *problem { return s.pass(depth - 1) })
	case c == '[':
		return s.list("an array", func(int) *problem { return s.pass(depth - 1) })
	case c == '-' || isDigit(c):
		if _, ok := s.decimal(); !ok {
			return notNumber(s.at)
		}
		return nil
	case s.word("true"), s.word("false"), s.word("null"):
		return nil
	}
	return s.syntax("a value")
}

// end checks that nothing but white space is left.
func (s *scanner) end() *problem {
	if s.peek(); s.at < len(s.data) {
		return s.syntax("nothing behind the JSON object")
	}
	return nil
}
