package tree

// lanes is how many walks go on at once. Each waits for its loads most of the time;
// so many hide it, and their states still fit into the registers.
const lanes = 8

// chunk is how many trees are walked before their payloads are summed.
const chunk = 64

// walkRow walks the trees from..from+chunk, or to the last, for one row's keys: eight
// trees at once. payloads[i] is what tree from+i gives.
func (l *layout) walkRow(keys *[maxSlots]int32, from int, payloads *[chunk]int32) {
	nodes := l.nodes
	for j := 0; j < chunk && from+j < l.trees; j += lanes {
		w := (*[lanes]word)(nodes[from+j:])
		s := (*[lanes]uint8)(l.sure[from+j:])
		n := max(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
		w0, w1, w2, w3, w4, w5, w6, w7 := w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
		for {
			for ; n > 0; n-- {
				w0 = step(nodes, w0, keys)
				w1 = step(nodes, w1, keys)
				w2 = step(nodes, w2, keys)
				w3 = step(nodes, w3, keys)
				w4 = step(nodes, w4, keys)
				w5 = step(nodes, w5, keys)
				w6 = step(nodes, w6, keys)
				w7 = step(nodes, w7, keys)
			}
			if (w0|w1|w2|w3|w4|w5|w6|w7)&branching == 0 {
				break
			}
			n = 2
		}
		p := (*[lanes]int32)(payloads[j:])
		p[0], p[1], p[2], p[3] = int32(uint32(w0)), int32(uint32(w1)), int32(uint32(w2)), int32(uint32(w3))
		p[4], p[5], p[6], p[7] = int32(uint32(w4)), int32(uint32(w5)), int32(uint32(w6)), int32(uint32(w7))
	}
}

// walkGroup walks one tree for eight rows at once, whose keys lie interleaved.
// payloads[r*chunk+at] is what it gives row r.
func (l *layout) walkGroup(keys *[maxSlots * lanes]int32, tree int, payloads *[lanes * chunk]int32, at uint) {
	nodes := l.nodes
	w0 := nodes[tree]
	n := l.sure[tree]
	w1, w2, w3, w4, w5, w6, w7 := w0, w0, w0, w0, w0, w0, w0
	for {
		for ; n > 0; n-- {
			w0 = stepLane(nodes, w0, keys, 0)
			w1 = stepLane(nodes, w1, keys, 1)
			w2 = stepLane(nodes, w2, keys, 2)
			w3 = stepLane(nodes, w3, keys, 3)
			w4 = stepLane(nodes, w4, keys, 4)
			w5 = stepLane(nodes, w5, keys, 5)
			w6 = stepLane(nodes, w6, keys, 6)
			w7 = stepLane(nodes, w7, keys, 7)
		}
		if (w0|w1|w2|w3|w4|w5|w6|w7)&branching == 0 {
			break
		}
		n = 2
	}
	at %= chunk
	payloads[at], payloads[at+chunk] = int32(uint32(w0)), int32(uint32(w1))
	payloads[at+2*chunk], payloads[at+3*chunk] = int32(uint32(w2)), int32(uint32(w3))
	payloads[at+4*chunk], payloads[at+5*chunk] = int32(uint32(w4)), int32(uint32(w5))
	payloads[at+6*chunk], payloads[at+7*chunk] = int32(uint32(w6)), int32(uint32(w7))
}

// walkWide is walkRow for wide nodes: four trees at once. Special splits are decided
// by the row itself.
func walkWide[F Float](l *layout, keys []int32, row []F, from int, payloads *[chunk]int32) {
	nodes := l.wide
	for j := 0; j < chunk && from+j < l.trees; j += 4 {
		a, b, c, d := &nodes[from+j], &nodes[from+j+1], &nodes[from+j+2], &nodes[from+j+3]
		for a.slot|b.slot|c.slot|d.slot > slotLeft {
			ia, ib, ic, id := a.next(keys), b.next(keys), c.next(keys), d.next(keys)
			if a.slot == slotSpecial {
				ia = decide(l, a, row)
			}
			if b.slot == slotSpecial {
				ib = decide(l, b, row)
			}
			if c.slot == slotSpecial {
				ic = decide(l, c, row)
			}
			if d.slot == slotSpecial {
				id = decide(l, d, row)
			}
			a, b, c, d = &nodes[ia], &nodes[ib], &nodes[ic], &nodes[id]
		}
		p := (*[4]int32)(payloads[j:])
		p[0], p[1], p[2], p[3] = a.key, b.key, c.key, d.key
	}
}

// next is where a wide node's child is.
func (n *wideNode) next(keys []int32) uint32 {
	return n.pair*2 + uint32(bit(keys[n.slot] <= n.key))
}

// decide is next for a special split.
func decide[F Float](l *layout, n *wideNode, row []F) uint32 {
	s := &l.specials[n.key]
	return n.pair*2 + uint32(bit(s.left(float64(row[s.Feature]), l.sets)))
}
