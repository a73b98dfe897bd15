package tree

// A node is a word of 64 bits, so that a step of a walk is two loads and a few
// integer operations, with no branch to predict:
//
//	bits  0..31  key: the row goes left if its slot's key is <= this one
//	bits 32..41  slot: which of the row's keys is compared
//	bits 42..63  pair: the children are the nodes 2*pair (right) and 2*pair+1 (left)
//
// A leaf is a node whose children's pair is its own, and whose slot holds a key that
// always leads back to itself: walking on from a leaf stays there. Its key is the
// leaf's payload.
type word uint64

const (
	slotBits  = 10
	slotShift = 32
	pairShift = slotShift + slotBits
	// maxSlots and maxNodes are what a word can name; ensembles beyond them, and those
	// with splits that no comparison of keys decides, use wide nodes.
	maxSlots = 1 << slotBits
	maxNodes = 2 << (64 - pairShift)
)

// The first slots of a row are the same for all rows and ensembles.
const (
	// slotRight holds a key above every other: a leaf at an even place.
	slotRight = iota
	// slotLeft holds a key below every other, or the same: a leaf at an odd place.
	slotLeft
	// slotSpecial marks a split that is not a comparison of keys; its key is the
	// index of the special. Only wide nodes have it.
	slotSpecial
	// firstSlot is the first that belongs to a column.
	firstSlot
)

// branching has the bits that tell a split's slot from a leaf's.
const branching = (maxSlots - 1 - slotLeft) << slotShift

// pack makes a word.
func pack(key int32, slot, pair uint32) word {
	return word(uint32(key)) | word(slot)<<slotShift | word(pair)<<pairShift
}

// bit is 1 for true. The compiler makes it one instruction.
func bit(b bool) word {
	if b {
		return 1
	}
	return 0
}

// step goes from a node to its child. The mask makes the access to the row's keys
// need no check.
func step(nodes []word, w word, keys *[maxSlots]int32) word {
	return nodes[w>>pairShift*2+bit(keys[w>>slotShift&(maxSlots-1)] <= int32(uint32(w)))]
}

// stepLane is step for one of the rows of a group, whose keys lie interleaved.
func stepLane(nodes []word, w word, keys *[maxSlots * lanes]int32, lane word) word {
	at := w>>slotShift&(maxSlots-1)*lanes + lane
	return nodes[w>>pairShift*2+bit(keys[at] <= int32(uint32(w)))]
}

// wideNode is a node of an ensemble that words cannot hold.
type wideNode struct {
	key        int32
	slot, pair uint32
}
