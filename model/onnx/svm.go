package onnx

import (
	"context"
	"fmt"
	"math"

	"rollproof/model"
)

// machine is what SVMClassifier and SVMRegressor share: support vectors and the
// kernel that a row is compared with them by.
type machine struct {
	kind                 string // of the kernel
	gamma, coef0, degree float64
	vectors              []float32 // count x columns
	count, columns       int
	coefficients         []float32
	rho                  []float32
}

// readMachine reads the attributes that both operators have.
func readMachine(b *builder) (*machine, error) {
	m := &machine{
		kind: b.text("kernel_type", "LINEAR"), vectors: b.floats("support_vectors"),
		coefficients: b.floats("coefficients"), rho: b.floats("rho"),
	}
	parameters := b.floats("kernel_params")
	if b.err != nil {
		return nil, b.err
	}
	switch m.kind {
	case "LINEAR", "POLY", "RBF", "SIGMOID":
	default:
		return nil, fmt.Errorf("kernel_type %q is %w", m.kind, ErrUnsupported)
	}
	if len(parameters) >= 3 {
		m.gamma, m.coef0, m.degree = float64(parameters[0]), float64(parameters[1]), float64(parameters[2])
	} else if len(parameters) > 0 || m.kind != "LINEAR" {
		return nil, fmt.Errorf("%d kernel_params, want gamma, coef0 and degree: %w", len(parameters), ErrInvalid)
	}
	if len(m.coefficients) == 0 || len(m.rho) == 0 {
		return nil, fmt.Errorf("%d coefficients and %d rho, want some of each: %w", len(m.coefficients), len(m.rho), ErrInvalid)
	}
	return m, nil
}

// divide sets the number of vectors; none makes the machine linear, with so many rows
// of coefficients.
func (m *machine) divide(count, rows, columns int) error {
	list := len(m.vectors)
	m.count = count
	if count == 0 {
		m.kind, list, count = "LINEAR", len(m.coefficients), rows
	}
	if count < 1 || list == 0 || list%count != 0 {
		return fmt.Errorf("%d numbers for %d vectors: %w", list, count, ErrInvalid)
	}
	m.columns = list / count
	if columns != 0 && columns != m.columns {
		return fmt.Errorf("vectors of %d columns, want %d: %w", m.columns, columns, ErrInvalid)
	}
	return nil
}

// compare applies the kernel to a row and a vector.
func (m *machine) compare(row, vector []float32) float64 {
	total := 0.0
	if m.kind == "RBF" {
		for i, x := range row {
			d := float64(x) - float64(vector[i])
			total += d * d
		}
		return math.Exp(-m.gamma * total)
	}
	for i, x := range row {
		total += float64(x) * float64(vector[i])
	}
	switch m.kind {
	case "POLY":
		return math.Pow(m.gamma*total+m.coef0, m.degree)
	case "SIGMOID":
		return math.Tanh(m.gamma*total + m.coef0)
	}
	return total
}

// rows returns the input as float32, converted into buffer if need be.
func (m *machine) rows(c call, x, buffer *model.Value) (list []float32, rows int, err error) {
	if rows, err = wantColumns(x, m.columns); err != nil {
		return nil, 0, err
	}
	if err := c.labour(int64(rows) * int64(max(len(m.vectors), len(m.coefficients)))); err != nil {
		return nil, 0, err
	}
	if x.Datatype == model.FP32 {
		return x.Floats, rows, nil
	}
	if err := c.reset(buffer, model.FP32, x.Shape...); err != nil {
		return nil, 0, err
	}
	for i := range buffer.Floats {
		if x.Datatype == model.FP64 {
			buffer.Floats[i] = float32(x.Doubles[i])
		} else {
			buffer.Floats[i] = float32(x.Ints[i])
		}
	}
	return buffer.Floats, rows, nil
}

// buildSVMRegressor compiles SVMRegressor.
func buildSVMRegressor(b *builder) error {
	columns, err := b.wantRows()
	if err != nil {
		return err
	}
	m, err := readMachine(b)
	if err != nil {
		return err
	}
	count := b.integer("n_supports", 0)
	oneClass := b.integer("one_class", 0) != 0
	if t := b.text("post_transform", "NONE"); t != "NONE" {
		return fmt.Errorf("post_transform %q is %w", t, ErrUnsupported)
	}
	if count < 0 || count > int64(len(m.coefficients)) {
		return fmt.Errorf("n_supports is %d with %d coefficients: %w", count, len(m.coefficients), ErrInvalid)
	}
	if err := m.divide(int(count), 1, columns); err != nil {
		return err
	}
	b.output(0, model.FP32, b.rowsShape(1))
	b.emit(func(ctx context.Context, c call) error {
		out := c.out(0)
		x, rows, err := m.rows(c, c.in(0), c.out(1))
		if err != nil {
			return err
		}
		if err := c.reset(out, model.FP32, int64(rows), 1); err != nil {
			return err
		}
		for i := range rows {
			if i%64 == 63 && ctx.Err() != nil {
				return ctx.Err()
			}
			row := x[i*m.columns : (i+1)*m.columns]
			y := float64(m.rho[0])
			if m.count == 0 {
				y += m.compare(row, m.coefficients)
			}
			for k := range m.count {
				y += float64(m.coefficients[k]) * m.compare(row, m.vectors[k*m.columns:(k+1)*m.columns])
			}
			if oneClass {
				y = float64(2*truth(y > 0) - 1)
			}
			out.Floats[i] = float32(y)
		}
		return nil
	}, b.scratch())
	return nil
}
