package tree

import "math"

// blockHeight is how many levels below a node are laid out beside each other before
// the next subtree is begun. Level by level (all of a tree as one block) a row meets
// another cache line at each step of a deep tree; depth first it meets the sibling's
// whole subtree before its own.
const blockHeight = 4

// layout is an ensemble's trees as they are walked. The roots are the first nodes,
// root j being tree j's; behind them are the pairs of children.
type layout struct {
	columns
	trees int
	// nodes, or wide where words do not suffice.
	nodes []word
	wide  []wideNode
	// sure is how many levels of tree j to walk before looking whether the walk has
	// ended: about as many as a row takes.
	sure []uint8
	// specials are the splits that wide nodes with slotSpecial name.
	specials []Split
	sets     []uint32
	// levels is the sum of sure: what a row costs.
	levels int
}

// shape is what is known of each split's subtree.
type shape struct {
	// depth is the longest way to a leaf, mean the mean way if each split sends as many
	// rows left as right.
	depth []int32
	mean  []float32
	// score is the one that each of its leaves has a single weight for, -1 if none is.
	score []int32
}

// survey fills a shape. Children come after their parents, so that one pass from the
// end suffices.
func survey(e *Ensemble) *shape {
	n := len(e.Splits)
	s := &shape{make([]int32, n), make([]float32, n), make([]int32, n)}
	for i := n - 1; i >= 0; i-- {
		ld, lm, ls := s.of(e, e.Splits[i].Left)
		rd, rm, rs := s.of(e, e.Splits[i].Right)
		s.depth[i], s.mean[i], s.score[i] = 1+max(ld, rd), 1+(lm+rm)/2, ls
		if ls != rs {
			s.score[i] = -1
		}
	}
	return s
}

// of returns what is known below a reference.
func (s *shape) of(e *Ensemble, ref int32) (depth int32, mean float32, score int32) {
	if ref >= 0 {
		return s.depth[ref], s.mean[ref], s.score[ref]
	}
	from, to := e.Leaves[^ref], e.Leaves[^ref+1]
	if to-from != 1 {
		return 0, 0, -1
	}
	return 0, 0, int32(e.Weights[from].Score)
}

// place is a reference that waits to be laid out: where its node is, and how many
// levels of its block are above it.
type place struct {
	ref    int32
	at     uint32
	height int32
}

// builder lays out an ensemble.
type builder struct {
	*layout
	e       *Ensemble
	numbers []uint32
	keys    []int32
	// pair is where each split's children are, 0 while they have no place. A split that
	// several splits or trees share has its children laid out once.
	pair    []uint32
	payload func(leaf int32) int32
	queue   []place
	stack   []place
}

// build lays out the ensemble for the slots and keys of its splits.
func (l *layout) build(e *Ensemble, s *shape, numbers []uint32, keys []int32, payload func(int32) int32) {
	l.trees = len(e.Roots)
	padded := (l.trees + lanes - 1) / lanes * lanes
	b := builder{layout: l, e: e, numbers: numbers, keys: keys, payload: payload, pair: make([]uint32, len(e.Splits))}
	count := 0
	for _, n := range numbers {
		count += int(bit(n == slotSpecial))
	}
	l.specials = make([]Split, 0, count)
	for i, n := range numbers {
		if n == slotSpecial {
			keys[i] = int32(len(l.specials))
			l.specials = append(l.specials, e.Splits[i])
		}
	}
	if len(l.specials) > 0 {
		l.sets = e.Sets
	}
	size := padded + 2*len(e.Splits)
	if len(l.specials) > 0 || firstSlot+len(l.slots) > maxSlots || size > maxNodes {
		l.wide = make([]wideNode, padded, size)
	} else {
		l.nodes = make([]word, padded, size)
	}
	l.sure = make([]uint8, padded)
	for j := range padded {
		if j >= l.trees {
			b.leaf(uint32(j), 0) // fills up the last group of roots
			continue
		}
		depth, mean, _ := s.of(e, e.Roots[j])
		l.sure[j] = uint8(min(depth, int32(math.Ceil(float64(mean)))+1, math.MaxUint8))
		l.levels += 1 + int(l.sure[j])
		b.tree(place{ref: e.Roots[j], at: uint32(j)})
	}
}

// tree lays out what is below a root.
func (b *builder) tree(root place) {
	b.stack = append(b.stack[:0], root)
	for len(b.stack) > 0 {
		top := b.stack[len(b.stack)-1]
		b.stack = b.stack[:len(b.stack)-1]
		top.height = 0
		b.queue = append(b.queue[:0], top)
		for n := 0; n < len(b.queue); n++ {
			b.place(b.queue[n])
		}
	}
}

// place writes a node, and queues its children unless they have places.
func (b *builder) place(p place) {
	switch {
	case p.ref < 0:
		b.leaf(p.at, b.payload(^p.ref))
		return
	case b.pair[p.ref] != 0:
	case p.height == blockHeight:
		b.stack = append(b.stack, p)
		return
	default:
		s, at := &b.e.Splits[p.ref], b.grow()
		b.pair[p.ref] = at / 2
		b.queue = append(b.queue, place{s.Right, at, p.height + 1}, place{s.Left, at + 1, p.height + 1})
	}
	b.put(p.at, b.keys[p.ref], b.numbers[p.ref], b.pair[p.ref])
}

// leaf writes a leaf.
func (b *builder) leaf(at uint32, payload int32) {
	b.put(at, payload, slotRight+at%2*(slotLeft-slotRight), at/2)
}

// grow makes room for two nodes.
func (b *builder) grow() (at uint32) {
	if b.nodes != nil {
		b.nodes = append(b.nodes, 0, 0)
		return uint32(len(b.nodes) - 2)
	}
	b.wide = append(b.wide, wideNode{}, wideNode{})
	return uint32(len(b.wide) - 2)
}

// put writes a node.
func (b *builder) put(at uint32, key int32, slot, pair uint32) {
	if b.nodes != nil {
		b.nodes[at] = pack(key, slot, pair)
		return
	}
	b.wide[at] = wideNode{key, slot, pair}
}
