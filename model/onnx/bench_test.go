package onnx

import (
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// unpackedInts is a list as protobuf 2 writers prefer it, not packed.
func unpackedInts(name string, n int, of func(i int) int64) message {
	m := message{}.text(1, name)
	for i := range n {
		m = m.varint(8, of(i))
	}
	return m.varint(20, kindInts)
}

// forestFile is a classifier of complete trees with the given number of levels below
// the root, as exporters write one.
func forestFile(trees, levels int) []byte {
	per := 2<<levels - 1
	n := trees * per
	inner := func(i int) bool { return i%per < 1<<levels-1 }
	s := newStump()
	child := func(right int64) func(i int) int64 {
		return func(i int) int64 {
			if inner(i) {
				return int64(2*(i%per)+1) + right
			}
			return 0
		}
	}
	modes := message{}.text(1, "nodes_modes")
	values := message{}.text(1, "nodes_values")
	for i := range n {
		mode := "LEAF"
		if inner(i) {
			mode = "BRANCH_LEQ"
		}
		modes = modes.text(9, mode)
		values = protowire.AppendFixed32(protowire.AppendTag(values, 7, protowire.Fixed32Type), math.Float32bits(float32(i%97)))
	}
	leaves := trees << levels
	place := func(i int) int64 { return int64(i%(1<<levels) + 1<<levels - 1) }
	weights := message{}.text(1, "class_weights")
	for i := range leaves {
		weights = protowire.AppendFixed32(protowire.AppendTag(weights, 7, protowire.Fixed32Type), math.Float32bits(float32(i%11)-5))
	}
	s.set(unpackedInts("nodes_treeids", n, func(i int) int64 { return int64(i / per) }))
	s.set(unpackedInts("nodes_nodeids", n, func(i int) int64 { return int64(i % per) }))
	s.set(unpackedInts("nodes_featureids", n, func(i int) int64 { return int64(i % 2) }))
	s.set(unpackedInts("nodes_truenodeids", n, child(0)))
	s.set(unpackedInts("nodes_falsenodeids", n, child(1)))
	s.set(unpackedInts("class_treeids", leaves, func(i int) int64 { return int64(i >> levels) }))
	s.set(unpackedInts("class_nodeids", leaves, place))
	s.set(unpackedInts("class_ids", leaves, func(int) int64 { return 0 }))
	s.set(modes.varint(20, kindStrings))
	s.set(values.varint(20, kindFloats))
	s.set(weights.varint(20, kindFloats))
	return s.encode()
}

// BenchmarkReadLarge reads an ensemble of three million nodes.
func BenchmarkReadLarge(b *testing.B) {
	data := forestFile(100, 14)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := Read(data)
		if err != nil {
			b.Fatal(err)
		}
		if n := a.Summary.Splits + a.Summary.Leaves; n < 3_000_000 {
			b.Fatalf("%d nodes", n)
		}
	}
}
