package xgboost

import (
	"fmt"
	"math"
)

// source is a document that is read from its front to its back, one value at a time:
// JSON or UBJSON. Its methods return errors that say where in the document they are;
// each costs a multiple of the bytes that it passes and at most. Not one of them
// believes a size before the bytes are there.
type source interface {
	// object reads an object: member is called with each key, and must read the value.
	object(member func(key string) error) error
	// array reads an array: element is called with each index, and must read the value.
	array(element func(i int) error) error
	// text reads a string.
	text() (string, error)
	// scalar reads a string, or a number as text: XGBoost writes its parameters as
	// strings.
	scalar() (string, error)
	// floats reads an array of numbers, rounded to float32, to the end of into.
	floats(into []float32) ([]float32, error)
	// integers reads an array of whole numbers and booleans (as 0 and 1) to the end of
	// into. Numbers beyond int32 become its first or last.
	integers(into []int32) ([]int32, error)
	// skip passes over a value.
	skip() error
	// position is where the next value begins; seek goes there.
	position() int
	seek(position int)
	// end says whether nothing is left.
	end() error
}

// maxDepth is how deep values may lie within one another. XGBoost's are eight deep.
const maxDepth = 64

// maxText bounds a string that is read, and a number.
const maxText = 1 << 16

// clamp makes an int32 of a whole number.
func clamp(v int64) int32 {
	return int32(max(math.MinInt32, min(math.MaxInt32, v)))
}

// document is what both sources share: the bytes, the place in them and the depth.
type document struct {
	data  []byte
	at    int
	depth int
	name  string
}

func (d *document) position() int { return d.at }

func (d *document) seek(position int) { d.at = position }

// fail is an error at the document's place.
func (d *document) fail(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d: %s: %w", d.name, d.at, fmt.Sprintf(format, args...), ErrInvalid)
}

// descend goes one value deeper, as far as values may lie.
func (d *document) descend() error {
	d.depth++
	if d.depth > maxDepth {
		return d.fail("more than %d values within one another", maxDepth)
	}
	return nil
}
