package api

import (
	"fmt"
	"math/bits"
	"net/http"
	"strings"

	"rollproof/model"
)

// array reads the array that is the dimension dim of a value, with all inside it. A
// size in v.Shape that is negative is not known yet, and becomes what the array has.
func (d *decoder) array(v *model.Value, dim int) *problem {
	size := v.Shape[dim]
	if d.plain && d.peek() != '[' && alone(v.Shape[dim:]) {
		return d.element(v)
	}
	if p := d.open('[', arrayWanted(v.Shape[dim:])); p != nil {
		return p
	}
	if dim == len(v.Shape)-1 {
		n, p := d.elements(v, int(size))
		if p != nil {
			return p
		}
		return settle(&v.Shape[dim], n, "values")
	}
	for n := 0; ; n++ {
		more, p := d.more(']', n == 0)
		switch {
		case p != nil:
			return p.at(n)
		case !more:
			return settle(&v.Shape[dim], n, "arrays")
		case int64(n) == size:
			return badRequest(reasonShapeMismatch, "more than %d arrays, want %d as the shape says", size, size)
		case dim == 0 && n >= d.maxRows:
			return tooManyRows(int64(n)+1, d.maxRows)
		}
		if p := d.array(v, dim+1); p != nil {
			return p.at(n)
		}
	}
}

// alone says whether there is one element of these sizes.
func alone(sizes []int64) bool {
	for _, size := range sizes {
		if size != 1 {
			return false
		}
	}
	return true
}

// arrayWanted says which array is wanted.
func arrayWanted(sizes []int64) string {
	of := "values"
	if len(sizes) > 1 {
		of = "arrays"
	}
	if sizes[0] < 0 {
		return "an array of " + of
	}
	return fmt.Sprintf("an array of %d %s", sizes[0], of)
}

// settle holds a size against what an array has, or learns it.
func settle(size *int64, n int, of string) *problem {
	if *size < 0 {
		*size = int64(n)
	}
	if *size != int64(n) {
		return badRequest(reasonShapeMismatch, "%d %s, want %d as the shape says", n, of, *size)
	}
	return nil
}

// count is the number of elements of a shape; false if they are more than most.
func count(shape []int64, most int) (int, bool) {
	n := uint64(1)
	for _, size := range shape {
		high, low := bits.Mul64(n, uint64(size))
		if high > 0 || low > uint64(most) {
			return 0, false
		}
		n = low
	}
	return int(n), true
}

// fits holds a shape that a client sent against an input's.
func (d *decoder) fits(shape []int64, t *model.Tensor) *problem {
	fit := len(shape) == len(t.Shape)
	for i := 0; fit && i < len(shape); i++ {
		want := t.Shape[i]
		fit = shape[i] == want || (want == model.Any && shape[i] >= 0)
	}
	batched := len(t.Shape) > 0 && t.Shape[0] == model.Any
	if !fit || (batched && shape[0] < 1) {
		return badRequest(reasonShapeMismatch, "%v, want %s", shape, shapeWanted(t.Shape))
	}
	if batched && shape[0] > int64(d.maxRows) {
		return tooManyRows(shape[0], d.maxRows).at(0)
	}
	if _, ok := count(shape, len(d.body)); !ok {
		return badRequest(reasonShapeMismatch, "%v is more elements than the body can hold", shape)
	}
	return d.share(shape, t)
}

// share checks that an input has as many rows as those before it.
func (d *decoder) share(shape []int64, t *model.Tensor) *problem {
	if len(t.Shape) == 0 || t.Shape[0] != model.Any {
		return nil
	}
	for i, size := range shape {
		shape[i] = max(size, 0) // arrays inside none
	}
	rows := int(shape[0])
	switch {
	case rows > d.maxRows:
		return tooManyRows(shape[0], d.maxRows)
	case rows < 1:
		return badRequest(reasonShapeMismatch, "no rows, want 1 or more")
	case d.rows == 0:
		d.rows = rows
	case d.rows != rows:
		return badRequest(reasonShapeMismatch, "%d rows, want %d as the inputs before it have", rows, d.rows)
	}
	return nil
}

// tooManyRows is the problem of a request with more rows than may be.
func tooManyRows(rows int64, most int) *problem {
	return newProblem(http.StatusRequestEntityTooLarge, reasonTooManyRows,
		"%d rows, want at most %d in one request", rows, most)
}

// shapeWanted is a model's shape for people: [n 30] with n of 1 or more.
func shapeWanted(shape []int64) string {
	var b strings.Builder
	for i, size := range shape {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch {
		case size != model.Any:
			fmt.Fprint(&b, size)
		case i == 0:
			b.WriteByte('n')
		default:
			b.WriteByte('*')
		}
	}
	text := "[" + b.String() + "]"
	if len(shape) > 0 && shape[0] == model.Any {
		text += " with n of 1 or more"
	}
	return text
}
