package onnx

import (
	"context"
	"fmt"
	"math"
	"slices"

	"rollproof/model"
)

// buildMatMul compiles MatMul, numpy's product of matrices and of stacks of them.
func buildMatMul(b *builder) error {
	d, err := b.wantNumbers()
	if err != nil {
		return err
	}
	x, y := b.ins[0].shape, b.ins[1].shape
	b.output(0, d, nil)
	if x != nil && y != nil {
		p, err := newProduct(x, y)
		if err != nil {
			return err
		}
		stack, err := joinShapes(p.xStack, p.yStack)
		if err != nil {
			return err
		}
		b.output(0, d, p.result(stack))
	}
	switch d.Storage() {
	case model.Floats:
		b.emit(matMulKernel[float32])
	case model.Doubles:
		b.emit(matMulKernel[float64])
	default:
		b.emit(matMulKernel[int64])
	}
	return nil
}

// matrixProduct is the sizes of a product: rows x inner by inner x columns.
type matrixProduct struct {
	rows, inner, columns int64
	xStack, yStack       []int64
	// xVector and yVector say that an operand has one dimension only.
	xVector, yVector bool
}

// newProduct takes the shapes apart.
func newProduct(x, y []int64) (matrixProduct, error) {
	p := matrixProduct{rows: 1, columns: 1, xVector: len(x) == 1, yVector: len(y) == 1}
	if len(x) == 0 || len(y) == 0 {
		return p, fmt.Errorf("a product of shapes %v and %v: %w", x, y, model.ErrInput)
	}
	p.inner = x[len(x)-1]
	if !p.xVector {
		p.rows, p.xStack = x[len(x)-2], x[:len(x)-2]
	} else {
		p.xStack = x[:0]
	}
	other := y[0]
	p.yStack = y[:0]
	if !p.yVector {
		other, p.columns, p.yStack = y[len(y)-2], y[len(y)-1], y[:len(y)-2]
	}
	if p.inner != other && p.inner >= 0 && other >= 0 {
		return p, fmt.Errorf("a product of shapes %v and %v, %d columns and %d rows: %w", x, y, p.inner, other, model.ErrInput)
	}
	return p, nil
}

// result appends the product's own dimensions to those of the stack.
func (p *matrixProduct) result(stack []int64) []int64 {
	shape := slices.Clone(stack)
	if !p.xVector {
		shape = append(shape, p.rows)
	}
	if !p.yVector {
		shape = append(shape, p.columns)
	}
	if shape == nil {
		shape = []int64{}
	}
	return shape
}

func matMulKernel[T number](ctx context.Context, c call) error {
	a, b, out := c.in(0), c.in(1), c.out(0)
	p, err := newProduct(a.Shape, b.Shape)
	if err != nil {
		return err
	}
	stack, err := newBroadcast(p.xStack, p.yStack)
	if err != nil {
		return err
	}
	var buffer [maxDimensions + 2]int64
	shape := append(buffer[:0], stack.shape[:max(len(p.xStack), len(p.yStack))]...)
	matrices, err := count(shape)
	if err != nil {
		return err
	}
	if !p.xVector {
		shape = append(shape, p.rows)
	}
	if !p.yVector {
		shape = append(shape, p.columns)
	}
	if err := c.reset(out, a.Datatype, shape...); err != nil {
		return err
	}
	x, y, z := elements[T](a), elements[T](b), elements[T](out)
	if len(z) == 0 {
		return nil
	}
	if err := c.labour(matrices * p.rows * p.columns * p.inner); err != nil {
		return err
	}
	m, k, n := int(p.rows), int(p.inner), int(p.columns)
	stack.each(func(o int, at [3]int) {
		for s := range stack.run {
			i, j := at[0]+s*stack.step[0], at[1]+s*stack.step[1]
			if err == nil {
				err = multiply(ctx, z[(o+s)*m*n:(o+s+1)*m*n], x[i*m*k:(i+1)*m*k], y[j*k*n:(j+1)*k*n], k, n)
			}
		}
	})
	wrap(a.Datatype, out.Ints)
	return err
}

// multiply sets z to the product of x, rows of k, and y, k rows of n. Sums are float64
// for floats.
func multiply[T number](ctx context.Context, z, x, y []T, k, n int) error {
	for row := 0; len(z) > 0; row++ {
		if row%64 == 63 && ctx.Err() != nil {
			return ctx.Err()
		}
		for j := range n {
			if _, whole := any(z[j]).(int64); whole {
				total := T(0)
				for i, v := range x[:k] {
					total += v * y[i*n+j]
				}
				z[j] = total
				continue
			}
			total := 0.0
			for i, v := range x[:k] {
				total += float64(v) * float64(y[i*n+j])
			}
			z[j] = T(total)
		}
		x, z = x[k:], z[n:]
	}
	return nil
}

// buildGemm compiles Gemm: alpha x y + beta c, the matrices transposed or not.
func buildGemm(b *builder) error {
	d, err := b.wantNumbersOrNone()
	if err != nil {
		return err
	}
	if err := b.want(0, model.FP32, model.FP64); err != nil {
		return err
	}
	g := &gemm{
		alpha: float64(b.number("alpha", 1)), beta: float64(b.number("beta", 1)),
		transX: b.integer("transA", 0) != 0, transY: b.integer("transB", 0) != 0,
	}
	b.integer("broadcast", 0) // before operator set 7
	x, y := b.ins[0], b.ins[1]
	for _, o := range []*operand{x, y} {
		if o.rank() >= 0 && o.rank() != 2 {
			return fmt.Errorf("input %q has %d dimensions, want 2: %w", o.name, o.rank(), ErrInvalid)
		}
	}
	shape := []int64{model.Any, model.Any}
	inner := []int64{model.Any, model.Any}
	if x.shape != nil {
		shape[0], inner[0] = x.shape[0], x.shape[1]
		if g.transX {
			shape[0], inner[0] = inner[0], shape[0]
		}
	}
	if y.shape != nil {
		inner[1], shape[1] = y.shape[0], y.shape[1]
		if g.transY {
			inner[1], shape[1] = shape[1], inner[1]
		}
	}
	if inner[0] >= 0 && inner[1] >= 0 && inner[0] != inner[1] {
		return fmt.Errorf("a product of shapes %v and %v: %w", x.shape, y.shape, ErrInvalid)
	}
	b.output(0, d, shape)
	if d == model.FP32 {
		b.emit(func(ctx context.Context, c call) error { return gemmKernel[float32](ctx, c, g) })
	} else {
		b.emit(func(ctx context.Context, c call) error { return gemmKernel[float64](ctx, c, g) })
	}
	return nil
}

// gemm is Gemm's attributes.
type gemm struct {
	alpha, beta    float64
	transX, transY bool
}

func gemmKernel[T float32 | float64](ctx context.Context, c call, g *gemm) error {
	a, b, out := c.in(0), c.in(1), c.out(0)
	if len(a.Shape) != 2 || len(b.Shape) != 2 {
		return fmt.Errorf("shapes %v and %v, want 2 dimensions each: %w", a.Shape, b.Shape, model.ErrInput)
	}
	m, k := a.Shape[0], a.Shape[1]
	if g.transX {
		m, k = k, m
	}
	other, n := b.Shape[0], b.Shape[1]
	if g.transY {
		other, n = n, other
	}
	if k != other {
		return fmt.Errorf("a product of shapes %v and %v: %w", a.Shape, b.Shape, model.ErrInput)
	}
	if err := c.reset(out, a.Datatype, m, n); err != nil {
		return err
	}
	x, y, z := elements[T](a), elements[T](b), elements[T](out)
	if len(z) == 0 {
		return nil
	}
	if err := c.labour(m * n * k); err != nil {
		return err
	}
	xRow, xStep, yStep, yColumn := int(k), 1, int(n), 1
	if g.transX {
		xRow, xStep = 1, int(m)
	}
	if g.transY {
		yStep, yColumn = 1, int(k)
	}
	for i := range int(m) {
		if i%64 == 63 && ctx.Err() != nil {
			return ctx.Err()
		}
		for j := range int(n) {
			total := 0.0
			p, q := i*xRow, j*yColumn
			for range k {
				total += float64(x[p]) * float64(y[q])
				p += xStep
				q += yStep
			}
			z[i*int(n)+j] = T(g.alpha * total)
		}
	}
	if v := c.in(2); v != nil && g.beta != 0 {
		return addTo(z, elements[T](v), out.Shape, v.Shape, T(g.beta))
	}
	return nil
}

// addTo adds what can be broadcast to z's shape, times beta.
func addTo[T float32 | float64](z, y []T, shape, other []int64, beta T) error {
	w, err := newBroadcast(shape, other)
	if err != nil {
		return err
	}
	if len(other) > 2 || w.shape[0] != shape[0] || w.shape[1] != shape[1] {
		return fmt.Errorf("shape %v cannot be added to %v: %w", other, shape, model.ErrInput)
	}
	w.each(func(o int, at [3]int) {
		for k := range w.run {
			z[o+k] += beta * y[at[1]+k*w.step[1]]
		}
	})
	return nil
}

// buildSoftmax compiles Softmax and LogSoftmax. Before operator set 13 everything from
// the axis on was one dimension.
func buildSoftmax(logarithm bool) func(b *builder) error {
	return func(b *builder) error {
		x := b.ins[0]
		otherwise := int64(-1)
		if b.opset < 13 {
			otherwise = 1
		}
		given, all := b.integer("axis", otherwise), b.opset < 13
		if x.shape != nil {
			if _, err := axisOf(given, x.rank()); err != nil && !(all && given == int64(x.rank())) { //nolint:staticcheck // as it is said
				return err
			}
		}
		b.output(0, x.datatype, x.shape)
		if x.datatype == model.FP64 {
			b.emit(softmaxKernel[float64](given, all, logarithm))
		} else {
			b.emit(softmaxKernel[float32](given, all, logarithm))
		}
		return b.want(0, model.FP32, model.FP64)
	}
}

func softmaxKernel[T float32 | float64](given int64, all, logarithm bool) kernel {
	return func(_ context.Context, c call) error {
		in, out := c.in(0), c.out(0)
		if err := c.reset(out, in.Datatype, in.Shape...); err != nil {
			return err
		}
		outer, size, inner := in.Len(), 1, 1
		if !all || given != int64(len(in.Shape)) {
			axis, err := axisOf(given, len(in.Shape))
			if err != nil {
				return err
			}
			outer, size, inner = around(in.Shape, axis)
			if all {
				size, inner = size*inner, 1
			}
		}
		x, y := elements[T](in), elements[T](out)
		if len(y) == 0 {
			return nil
		}
		for o := range outer {
			for i := range inner {
				at := o*size*inner + i
				soften1(x[at:], y[at:], size, inner, logarithm)
			}
		}
		return nil
	}
}

// soften1 is the softmax of n elements that are step apart.
func soften1[T float32 | float64](x, y []T, n, step int, logarithm bool) {
	largest := math.Inf(-1)
	for i := range n {
		largest = max(largest, float64(x[i*step]))
	}
	total := 0.0
	for i := range n {
		total += math.Exp(float64(x[i*step]) - largest)
	}
	for i := range n {
		if logarithm {
			y[i*step] = T(float64(x[i*step]) - largest - math.Log(total))
		} else {
			y[i*step] = T(math.Exp(float64(x[i*step])-largest) / total)
		}
	}
}
