// Package tree evaluates ensembles of decision trees. Every format's reader compiles
// to the one layout here. It knows no file format, gives raw scores (what becomes of
// them is for others), and does no I/O.
//
// # How a row is scored
//
// The columns that splits test become keys: whole numbers of 32 bits in the order of
// the values, in which NaN and what counts as missing are already above or below
// everything, as the split wants it (keys.go). A node is a word of 8 bytes: a key to
// compare, the slot of the row's key, and where its pair of children is (word.go). A
// step is two loads and a few integer operations, with no branch. Eight walks go on at
// once: of one row through eight trees, or of eight rows through one tree (walk.go). A
// leaf leads back to itself, so that walks of different length need no care; about as
// many steps as a row needs are done before looking whether all have ended. The key of
// a leaf is its payload: the weight itself where float32 holds it, else its number
// (sum.go). Sums are in the order of the trees whatever the walks' order, so that a
// row's scores are the same bits alone, in a batch and on several processors.
//
// Splits that no comparison decides (Equal, Member), rows of more than 1,021 keys and
// ensembles beyond 8 million nodes use wide nodes of 12 bytes, four walks at once.
//
// # What it measures
//
// Nanoseconds a row, the best tenth of short samples, on one core of an AMD EPYC
// (Zen 3) that others used too, by
//
//	go test -run - -bench Scores ./model/tree
//
// against the walk of one tree after the other over the splits as a reader hands them
// over:
//
//	                                      one row           of a hundred
//	                                   plain    here        plain    here
//	boosted, 100 of depth 3             3348     526         3341     479
//	forest, 100 small, 3 classes        6600    1109         6521     955
//	forest, 100 of depth 10            21604    1688        17429    1260
//	forest, 100 full, 3 classes        80969    5963        84650    4262
//	boosted, 300 of depth 6, missing   24827    2495        25390    2146
//	boosted, 500 of 31 leaves, double  39237    6558        39256    3687
//	the same of 127 leaves            119046   11341       110066    4989
//	500 of 31 leaves with categories   44346   14335        41032    7882
//
// # What was tried
//
// On the same forests, walks only, one row unless it says otherwise, in ns:
//
//	nodes                            boosted 100x3  forest 100x10  500 of 31 leaves
//	8 bytes, float32, a branch each            827         10,920            22,245
//	the same, eight trees at once              649          3,376             7,644
//	16 bytes, 64-bit keys, eight               483          2,599             6,986
//	words, four trees                          401          2,695             7,814
//	words, eight trees, to the depth           388          1,490             5,816
//	the same without bounds checks             400          1,463             6,014
//	words, eight, ending early                 415          1,454             4,983
//	eight rows of a batch, ending early        415          1,394             4,486
//
// So there is no unsafe access. Nodes with the threshold as a float lose because the
// compiler keeps three values for each walk where a word is one. Blocks of four levels
// beside each other halve the time of a forest beyond the second cache: 454,000 nodes,
// one row 17.4 us, level by level 33.8 us, pairs depth first 29.2 us. LightGBM's float64
// thresholds are replaced by their rank in the column, as nodes of 16 bytes lose more
// in the walk than the search for the rank costs, now that four columns are searched
// at once (100 trees of 8 leaves: 3.0 us with one at a time, 1.3 us with four). Chunks
// of 32 and 128 trees, and blocks of 32 and 128 rows, were within the noise of the 64
// here. A second goroutine begins to pay at about 0.2 ms of work for each of them
// (BenchmarkParallel), so that is what one is woken for. Bit vectors of reachable leaves
// (QuickScorer) were not built: a row tests half of all splits there, 350 of these 100
// trees of depth 3, to 300 steps here.
//
// bench/leaves measures against another library in Go: 0.2 to 0.7 of its time for a row,
// 0.03 to 0.6 for a hundred.
package tree
