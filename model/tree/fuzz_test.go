package tree

import (
	"encoding/binary"
	"math"
	"testing"
)

// reader takes an ensemble out of bytes, as wildly as they are.
type reader struct{ data []byte }

func (r *reader) byte() int {
	if len(r.data) == 0 {
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return int(b)
}

// reference is near what is valid: a split or a leaf.
func (r *reader) reference() int32 { return int32(int8(r.byte())) }

func (r *reader) float() float64 {
	if b := r.byte(); b < 200 {
		return float64(b%16) / 2
	}
	var bits [8]byte
	r.data = r.data[copy(bits[:], r.data):]
	return math.Float64frombits(binary.LittleEndian.Uint64(bits[:]))
}

func (r *reader) ensemble() Ensemble {
	flags := r.byte()
	e := Ensemble{
		Columns: r.byte() % 5, Scores: r.byte() % 5, Aggregate: Aggregate(flags % 4),
		BaseLast: flags&4 != 0, Float32: flags&8 != 0, Divisor: float64(flags >> 6), Leaves: []uint32{0},
	}
	for range flags >> 4 & 3 {
		e.Base = append(e.Base, r.float())
	}
	for range r.byte() % 4 {
		e.Sets = append(e.Sets, uint32(r.byte())*0x1010101)
	}
	for range r.byte() % 16 {
		e.Roots = append(e.Roots, r.reference())
	}
	for range r.byte() % 64 {
		kind := r.byte()
		e.Splits = append(e.Splits, Split{
			Test: Test(kind % 5), MissingLeft: kind&8 != 0, ZeroMissing: kind&16 != 0, Unsigned: kind&32 != 0,
			Set: uint32(kind >> 6), SetWords: uint32(kind >> 7), Feature: uint32(r.byte() % 6),
			Left: r.reference(), Right: r.reference(), Threshold: r.float(),
		})
	}
	for range r.byte() % 64 {
		for range r.byte() % 4 {
			e.Weights = append(e.Weights, Weight{r.float(), uint32(r.byte() % 5)})
		}
		e.Leaves = append(e.Leaves, uint32(len(e.Weights)))
	}
	return e
}

// Whatever Compile accepts gives the plain walk's scores.
func FuzzCompile(f *testing.F) {
	f.Add([]byte{0, 2, 1, 0, 1, 0, 1, 0, 1, 255, 254, 3, 2, 1, 5, 0, 1, 7, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte("\x08\x03\x03\x01\x07\x04\x00\xff\x01\x02\x05\x48\x01\x01\xff\x01\x23\x02\xfe\x02\xc9\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{data}
		e := r.ensemble()
		if _, err := Compile[float32](e); err != nil {
			return
		}
		rows := make([]float64, 9*e.Columns)
		narrow := make([]float32, len(rows))
		for i := range rows {
			rows[i] = r.float()
			narrow[i] = float32(rows[i])
		}
		same(t, e, rows)
		same(t, e, narrow)
	})
}
