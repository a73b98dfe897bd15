package lightgbm

import (
	"fmt"
	"strconv"
	"strings"
)

// lines goes through a text line by line.
type lines struct {
	rest string
	// number of the line that next gave last, from 1.
	number int
}

// next takes the next line, without its end; false at the end of the text.
func (l *lines) next() (string, bool) {
	if l.rest == "" {
		return "", false
	}
	line, rest, _ := strings.Cut(l.rest, "\n")
	l.rest = rest
	l.number++
	return strings.TrimSuffix(line, "\r"), true
}

// peek is the next line, which stays.
func (l *lines) peek() string {
	line, _, _ := strings.Cut(l.rest, "\n")
	return strings.TrimSuffix(line, "\r")
}

// field is what stands behind a key, and where.
type field struct {
	key, text string
	line      int
	set       bool
}

// errorf is an error at the field.
func (f *field) errorf(format string, arguments ...any) error {
	return fmt.Errorf("line %d: %s: %w", f.line, f.key, fmt.Errorf(format, arguments...))
}

// take fills the field with that key, if it is one of them. A key that is there twice
// is an error: which of both counts would be a guess.
func take(fields []*field, line string, number int) error {
	key, text, _ := strings.Cut(line, "=")
	for _, f := range fields {
		if f.key != key {
			continue
		}
		if f.set {
			return fmt.Errorf("line %d: %s is there already on line %d: %w", number, key, f.line, ErrInvalid)
		}
		f.text, f.line, f.set = text, number, true
		return nil
	}
	return nil
}

// integer is the field's value as a whole number of that range.
func (f *field) integer(least, most int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(f.text))
	if err != nil || n < least || n > most {
		return 0, f.errorf("%q, want a whole number from %d to %d: %w", shortened(f.text), least, most, ErrInvalid)
	}
	return n, nil
}

// each calls take with every word of the field, which must have that many. Nothing is
// kept of a list before its words are there.
func (f *field) each(count int, take func(i int, word string) error) error {
	rest := f.text
	for i := range count {
		rest = strings.TrimLeft(rest, " \t")
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return f.errorf("%d values, want %d: %w", i, count, ErrInvalid)
		}
		if err := take(i, rest[:end]); err != nil {
			return err
		}
		rest = rest[end:]
	}
	if rest = strings.TrimSpace(rest); rest != "" {
		return f.errorf("more than the %d values that there should be: %q follows: %w", count, shortened(rest), ErrInvalid)
	}
	return nil
}

// integers are the field's values, that many, of that range.
func (f *field) integers(into []int, count, least, most int) ([]int, error) {
	into = into[:0]
	err := f.each(count, func(i int, word string) error {
		n, err := strconv.Atoi(word)
		if err != nil || n < least || n > most {
			return f.errorf("value %d is %q, want a whole number from %d to %d: %w", i, shortened(word), least, most, ErrInvalid)
		}
		into = append(into, n)
		return nil
	})
	return into, err
}

// doubles are the field's values, that many finite numbers.
func (f *field) doubles(into []float64, count int) ([]float64, error) {
	into = into[:0]
	err := f.each(count, func(i int, word string) error {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil || x-x != 0 {
			return f.errorf("value %d is %q, want a finite number: %w", i, shortened(word), ErrInvalid)
		}
		into = append(into, x)
		return nil
	})
	return into, err
}

// shortened keeps an error's text readable: a line of a file may be megabytes long.
func shortened(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
