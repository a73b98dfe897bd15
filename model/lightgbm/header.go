package lightgbm

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"rollproof/model/tree"
)

// header is what stands before the first tree.
type header struct {
	// version of the format: v2, v3 or v4.
	version string
	// classes and perIteration are num_class and num_tree_per_iteration.
	classes, perIteration int
	columns               int
	// objective as the file has it, "" if none (a custom one), and its place.
	objective     string
	objectivePart field
	// average says that the sum is divided by the number of iterations (random forests).
	average bool
	// features are the columns' names.
	features []string
	// trees is the number of tree_sizes, -1 without them.
	trees int
}

// readHeader reads up to the first tree, which stays.
func readHeader(l *lines) (*header, error) {
	version, classes := field{key: "version"}, field{key: "num_class"}
	perIteration, most := field{key: "num_tree_per_iteration"}, field{key: "max_feature_idx"}
	objective, average := field{key: "objective"}, field{key: "average_output"}
	names, sizes := field{key: "feature_names"}, field{key: "tree_sizes"}
	fields := []*field{&version, &classes, &perIteration, &most, &objective, &average, &names, &sizes}
	for l.rest != "" && !strings.HasPrefix(l.peek(), treeKey) {
		line, _ := l.next()
		if line == endOfTrees {
			break
		}
		if err := take(fields, line, l.number); err != nil {
			return nil, err
		}
	}
	for _, f := range []*field{&version, &classes, &most, &names} {
		if !f.set {
			return nil, fmt.Errorf("line %d: no %s before the first tree: %w", l.number, f.key, ErrInvalid)
		}
	}
	h := &header{version: strings.TrimSpace(version.text), average: average.set, trees: -1, objectivePart: objective}
	h.objective = strings.Join(strings.Fields(objective.text), " ")
	switch h.version {
	case "v2", "v3", "v4":
	default:
		return nil, version.errorf("%q, want v2, v3 or v4: %w", shortened(h.version), ErrUnsupported)
	}
	var err error
	if h.classes, err = classes.integer(1, tree.MaxScores); err != nil {
		return nil, err
	}
	h.perIteration = h.classes
	if perIteration.set {
		if h.perIteration, err = perIteration.integer(1, tree.MaxScores); err != nil {
			return nil, err
		}
	}
	last, err := most.integer(0, tree.MaxColumns-1)
	if err != nil {
		return nil, err
	}
	h.columns = last + 1
	err = names.each(h.columns, func(_ int, name string) error {
		h.features = append(h.features, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if sizes.set {
		h.trees, err = h.sizes(&sizes, len(l.rest))
	}
	return h, err
}

// sizes returns the number of trees by their sizes, which must fit into what is left
// of the file: a file that was cut off shows here. An editor that changed the ends of
// lines is no matter.
func (h *header) sizes(f *field, left int) (trees int, err error) {
	rest, total := f.text, 0
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return trees, nil
		}
		word, after, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 || n > math.MaxInt32 {
			return 0, f.errorf("value %d is %q, want a number of bytes: %w", trees, shortened(word), ErrInvalid)
		}
		if total += n; total > left+1 {
			return 0, f.errorf("the trees to number %d have %d bytes or more, but %d are left of the file: it was cut off: %w",
				trees, total, left, ErrInvalid)
		}
		trees, rest = trees+1, after
	}
}
