package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
)

// reduction makes one number of many, in float64: the sum of a float32's many is
// rounded once, at its end.
type reduction struct {
	// from is the operator set in which the axes became an input.
	from  int64
	start float64
	add   func(total, x float64) float64
	end   func(total float64, n int) float64 // nil leaves the total
	// whole is the same for whole numbers, nil where there is no such thing.
	whole func(total, x int64) int64
	// wholeStart is where whole begins.
	wholeStart int64
}

func (r reduction) build(b *builder) error {
	x := b.ins[0]
	if !isNumber(x.datatype) {
		return fmt.Errorf("input %q is %s: %w here", x.name, x.datatype, ErrUnsupported)
	}
	keep := b.integer("keepdims", 1) != 0
	nothing := b.integer("noop_with_empty_axes", 0) != 0
	of, list, known, err := b.axes(r.from)
	if err != nil {
		return err
	}
	b.output(0, x.datatype, nil)
	if x.shape != nil && known {
		shape, err := reducedShape(x.shape, list, keep, nothing)
		if err != nil {
			return err
		}
		b.output(0, x.datatype, shape)
	} else if x.shape != nil && keep {
		shape := make([]int64, x.rank())
		for i := range shape {
			shape[i] = model.Any
		}
		b.output(0, x.datatype, shape)
	}
	k := &reducer{reduction: r, axes: of, keep: keep, nothing: nothing}
	switch x.datatype.Storage() {
	case model.Floats:
		b.emit(reduceKernel(k, func(total float64, n int) float32 { return float32(k.finish(total, n)) }, nil))
	case model.Doubles:
		b.emit(reduceKernel(k, func(total float64, n int) float64 { return k.finish(total, n) }, nil))
	default:
		if r.whole == nil && r.end == nil {
			return fmt.Errorf("input %q is %s, want FP32 or FP64: %w", x.name, x.datatype, ErrInvalid)
		}
		b.emit(reduceKernel(k, func(total float64, n int) int64 { return toInt(k.finish(total, n)) }, r.whole))
	}
	return nil
}

// reducedShape drops the axes, or makes them 1.
func reducedShape(shape, axes []int64, keep, nothing bool) ([]int64, error) {
	if len(axes) == 0 && nothing {
		return shape, nil
	}
	var reduced [maxDimensions]bool
	for _, a := range axes {
		axis, err := axisOf(a, len(shape))
		if err != nil {
			return nil, err
		}
		reduced[axis] = true
	}
	result := []int64{}
	for axis, size := range shape {
		switch {
		case len(axes) > 0 && !reduced[axis]:
			result = append(result, size)
		case keep:
			result = append(result, 1)
		}
	}
	return result, nil
}

// reducer is a reduction with its attributes.
type reducer struct {
	reduction
	axes          func(c call) []int64
	keep, nothing bool
}

// finish is what a total of n numbers becomes.
func (k *reducer) finish(total float64, n int) float64 {
	if k.end == nil {
		return total
	}
	return k.end(total, n)
}

// reduceKernel walks the kept axes, and within each step the reduced ones.
func reduceKernel[T number](k *reducer, finish func(total float64, n int) T, whole func(total, x T) T) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		axes := k.axes(c)
		if len(axes) == 0 && k.nothing {
			return copyKernel(context.Background(), c) //nolint:contextcheck // a copy looks at no context
		}
		kept, reduced := walk{}, walk{}
		var gone [maxDimensions]bool
		for _, a := range axes {
			axis, err := axisOf(a, len(in.Shape))
			if err != nil {
				return err
			}
			gone[axis] = true
		}
		straight := newWalk(in.Shape)
		var shape [maxDimensions]int64
		rank, each := 0, 1
		for axis, size := range in.Shape {
			w := &kept
			if gone[axis] || len(axes) == 0 {
				w = &reduced
				each *= int(size)
			}
			w.sizes[w.rank], w.strides[w.rank] = size, straight.strides[axis]
			w.rank++
			switch {
			case w == &kept:
				shape[rank] = size
				rank++
			case k.keep:
				shape[rank] = 1
				rank++
			}
		}
		if err := c.reset(out, in.Datatype, shape[:rank]...); err != nil {
			return err
		}
		x, y := elements[T](in), elements[T](out)
		for i := range y {
			at := kept.place(i)
			if whole != nil {
				total := T(k.wholeStart)
				for j := range each {
					total = whole(total, x[at+reduced.place(j)])
				}
				y[i] = total
				continue
			}
			total := k.start
			for j := range each {
				total = k.add(total, float64(x[at+reduced.place(j)]))
			}
			y[i] = finish(total, each)
		}
		wrap(in.Datatype, out.Ints)
		return nil
	}
}

// place is where the nth element of the walk is.
func (w *walk) place(n int) int {
	if w.rank == 1 {
		return n * int(w.strides[0])
	}
	at := 0
	for axis := w.rank - 1; axis >= 0; axis-- {
		size := int(w.sizes[axis])
		at += n % size * int(w.strides[axis])
		n /= size
	}
	return at
}

// larger and smaller let NaN through, as a sum does.
func larger(x, y float64) float64  { return math.Max(x, y) }
func smaller(x, y float64) float64 { return math.Min(x, y) }

// reductions by name.
func reductions() map[string]reduction {
	sum := func(t, x float64) float64 { return t + x }
	wholeSum := func(t, x int64) int64 { return t + x }
	return map[string]reduction{
		"ReduceSum":  {from: 13, add: sum, whole: wholeSum},
		"ReduceMean": {from: 18, add: sum, end: func(t float64, n int) float64 { return t / float64(n) }},
		"ReduceMax": {
			from: 18, start: math.Inf(-1), add: larger,
			whole: func(t, x int64) int64 { return max(t, x) }, wholeStart: math.MinInt64,
		},
		"ReduceMin": {
			from: 18, start: math.Inf(1), add: smaller,
			whole: func(t, x int64) int64 { return min(t, x) }, wholeStart: math.MaxInt64,
		},
		"ReduceProd": {
			from: 18, start: 1, add: func(t, x float64) float64 { return t * x },
			whole: func(t, x int64) int64 { return t * x }, wholeStart: 1,
		},
		"ReduceSumSquare": {
			from: 18, add: func(t, x float64) float64 { return t + x*x },
			whole: func(t, x int64) int64 { return t + x*x },
		},
		"ReduceL1": {
			from: 18, add: func(t, x float64) float64 { return t + math.Abs(x) },
			whole: func(t, x int64) int64 { return t + max(x, -x) },
		},
		"ReduceL2": {
			from: 18, add: func(t, x float64) float64 { return t + x*x },
			end: func(t float64, _ int) float64 { return math.Sqrt(t) },
		},
		"ReduceLogSum": {from: 18, add: sum, end: func(t float64, _ int) float64 { return math.Log(t) }},
		// Of the total so far the largest power is kept apart: see logAdd.
		"ReduceLogSumExp": {from: 18, start: math.Inf(-1), add: logAdd, end: func(t float64, _ int) float64 { return t }},
	}
}

// logAdd is ln(e^x + e^y) without overflow.
func logAdd(x, y float64) float64 {
	high, low := max(x, y), min(x, y)
	if math.IsInf(high, 0) {
		return high
	}
	return high + math.Log1p(math.Exp(low-high))
}
