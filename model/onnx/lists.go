package onnx

import (
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tags of an attribute's name and of its lists where they are not packed, which
// is how exporters write them: millions of entries, each with its tag.
const (
	tagName    = 1<<3 | byte(protowire.BytesType)
	tagFloats  = 7<<3 | byte(protowire.Fixed32Type)
	tagInts    = 8<<3 | byte(protowire.VarintType)
	tagStrings = 9<<3 | byte(protowire.BytesType)
)

// takeLists takes the name and the lists from the front of an AttributeProto, in
// loops of their own because they are most of a large file, and returns the rest.
// What is not as it should be is left for the general way, which names it.
func (a *attributeProto) takeLists(b []byte) (rest []byte, err error) {
	for len(b) > 0 {
		before := len(b)
		switch b[0] {
		case tagName:
			f, rest, err := nextField(b)
			if err != nil {
				return nil, err
			}
			a.name, b = string(f.bytes), rest
		case tagFloats:
			n := 0
			for 5*n+5 <= len(b) && b[5*n] == tagFloats {
				n++
			}
			list := slices.Grow(a.floats, n)
			for ; n > 0; n-- {
				list = append(list, math.Float32frombits(binary.LittleEndian.Uint32(b[1:])))
				b = b[5:]
			}
			a.floats = list
		case tagInts:
			list := slices.Grow(a.ints, integersAhead(b))
			for len(b) > 1 && b[0] == tagInts {
				if b[1] < 0x80 {
					list = append(list, int64(b[1]))
					b = b[2:]
					continue
				}
				v, n := protowire.ConsumeVarint(b[1:])
				if n < 0 {
					break
				}
				list = append(list, int64(v))
				b = b[1+n:]
			}
			a.ints = list
		case tagStrings:
			list := a.strings
			for len(b) > 0 && b[0] == tagStrings {
				s, n := protowire.ConsumeBytes(b[1:])
				if n < 0 {
					break
				}
				list = append(list, s)
				b = b[1+n:]
			}
			a.strings = list
		}
		if len(b) == before {
			return b, nil
		}
	}
	return b, nil
}

// integersAhead counts the integers at the front of b: a tag and a varint each.
func integersAhead(b []byte) int {
	n := 0
	for i := 0; i+1 < len(b) && b[i] == tagInts; n++ {
		for i++; i < len(b)-1 && b[i] >= 0x80; i++ {
		}
		i++
	}
	return n
}
