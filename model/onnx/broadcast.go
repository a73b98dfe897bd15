package onnx

import (
	"fmt"
	"slices"

	"rollproof/model"
)

// broadcast walks operands of different shapes together, as numpy does
// (https://onnx.ai/onnx/repo-docs/Broadcasting.html): a size of 1 stands for any.
type broadcast struct {
	rank    int
	shape   [maxDimensions]int64
	strides [3][maxDimensions]int64
	// run is the number of elements of an inner loop, step how far each operand
	// moves with it.
	run  int
	step [3]int
}

// newBroadcast joins up to three shapes.
func newBroadcast(shapes ...[]int64) (broadcast, error) {
	var b broadcast
	for _, s := range shapes {
		b.rank = max(b.rank, len(s))
	}
	if b.rank > maxDimensions {
		return b, fmt.Errorf("%d dimensions, want at most %d: %w", b.rank, maxDimensions, ErrUnsupported)
	}
	for axis := range b.rank {
		b.shape[axis] = 1
		for _, s := range shapes {
			size := sizeFrom(s, axis-b.rank)
			if size == 1 || size == b.shape[axis] {
				continue
			}
			if b.shape[axis] != 1 {
				return b, fmt.Errorf("shapes %v do not go together: %w", slices.Clone(shapes), model.ErrInput)
			}
			b.shape[axis] = size
		}
	}
	for i, s := range shapes {
		stride := int64(1)
		for axis := b.rank - 1; axis >= 0; axis-- {
			size := sizeFrom(s, axis-b.rank)
			if size != 1 {
				b.strides[i][axis] = stride
			}
			stride *= size
		}
	}
	b.flatten(len(shapes))
	return b, nil
}

// sizeFrom is a size counted from the end (-1 is the last), 1 in front of the first.
func sizeFrom(shape []int64, fromEnd int) int64 {
	if at := len(shape) + fromEnd; at >= 0 {
		return shape[at]
	}
	return 1
}

// flatten makes the inner loop as long as it goes: dimensions that lie behind one
// another in all operands are one.
func (b *broadcast) flatten(operands int) {
	b.run = 1
	for ; b.rank > 0; b.rank-- {
		axis := b.rank - 1
		if b.shape[axis] == 1 {
			continue
		}
		for i := range operands {
			stride := int(b.strides[i][axis])
			if b.run > 1 && stride != b.step[i]*b.run {
				return
			}
			if b.run == 1 {
				b.step[i] = stride
			}
		}
		b.run *= int(b.shape[axis])
	}
}

// each calls the inner loop: out is where it starts, at where each operand does.
func (b *broadcast) each(inner func(out int, at [3]int)) {
	var at [3]int
	var index [maxDimensions]int64
	for _, size := range b.shape[:b.rank] {
		if size == 0 {
			return
		}
	}
	for out := 0; ; out += b.run {
		inner(out, at)
		axis := b.rank - 1
		for ; axis >= 0; axis-- {
			index[axis]++
			for i := range at {
				at[i] += int(b.strides[i][axis])
			}
			if index[axis] < b.shape[axis] {
				break
			}
			for i := range at {
				at[i] -= int(b.strides[i][axis] * index[axis])
			}
			index[axis] = 0
		}
		if axis < 0 {
			return
		}
	}
}

// joinShapes is what is known of the shape that shapes give together.
func joinShapes(shapes ...[]int64) ([]int64, error) {
	rank := 0
	for _, s := range shapes {
		if s == nil {
			return nil, nil
		}
		rank = max(rank, len(s))
	}
	joined := make([]int64, rank)
	for axis := range joined {
		joined[axis] = 1
		for _, s := range shapes {
			size := sizeFrom(s, axis-rank)
			switch {
			case size == 1 || size == joined[axis]:
			case joined[axis] == 1 || (joined[axis] == model.Any && size > 1):
				joined[axis] = size
			case size == model.Any:
			default:
				return nil, fmt.Errorf("shapes %v do not go together: %w", shapes, ErrInvalid)
			}
		}
	}
	return joined, nil
}
