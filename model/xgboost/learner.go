package xgboost

import (
	"fmt"
	"strconv"
	"strings"

	"rollproof/model/tree"
)

// learner is a model without its trees, which are most of a file and are read after
// everything that is needed to check them is known: JSON and UBJ have them first.
type learner struct {
	version     []int32
	found       bool
	objective   string
	alphas      string
	booster     string
	features    []string // names of columns, none if the file has none
	columns     int
	classes     int
	targets     int
	baseScore   string
	hasTrees    bool
	trees       int // the position of the list of trees
	count       string
	groups      []int32
	weightDrop  []float32
	weights     []float32
	hasWeights  bool
	boosterSeen bool
}

// readLearner reads everything but the trees.
func readLearner(s source) (*learner, error) {
	l := &learner{baseScore: "0.5", targets: 1}
	if err := l.top(s); err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	switch {
	case !l.found:
		return nil, fmt.Errorf(`no "learner" in it, want an XGBoost model as save_model writes it: %w`, ErrInvalid)
	case l.objective == "":
		return nil, fmt.Errorf("learner.objective has no name: %w", ErrInvalid)
	case !l.boosterSeen:
		return nil, fmt.Errorf("learner.gradient_booster has no name: %w", ErrInvalid)
	case l.booster != "gbtree" && l.booster != "dart" && l.booster != "gblinear":
		return nil, fmt.Errorf("booster %q, want gbtree, dart or gblinear: %w", l.booster, ErrUnsupported)
	case l.booster == "gblinear" && !l.hasWeights, l.booster != "gblinear" && !l.hasTrees:
		return nil, fmt.Errorf("learner.gradient_booster has no model: this may be a configuration (save_config), "+
			"want a model (save_model): %w", ErrInvalid)
	}
	return l, l.checkShape()
}

// checkShape checks the widths of rows and of answers.
func (l *learner) checkShape() error {
	if l.columns == 0 {
		l.columns = len(l.features)
	}
	switch {
	case l.columns < 1:
		return fmt.Errorf("num_feature is %d and there are no feature_names, want 1 or more: %w", l.columns, ErrInvalid)
	case l.columns > tree.MaxColumns:
		return fmt.Errorf("num_feature is %d, want at most %d: %w", l.columns, tree.MaxColumns, ErrUnsupported)
	case len(l.features) > 0 && len(l.features) != l.columns:
		return fmt.Errorf("num_feature is %d and there are %d feature_names: %w", l.columns, len(l.features), ErrInvalid)
	case l.classes < 0 || l.targets < 0:
		return fmt.Errorf("num_class is %d and num_target is %d, want 0 or more: %w", l.classes, l.targets, ErrInvalid)
	case l.classes > 1 && l.targets > 1:
		return fmt.Errorf("%d classes and %d targets, want several of one of them at most: %w", l.classes, l.targets, ErrUnsupported)
	case l.outputs() > tree.MaxScores:
		return fmt.Errorf("%d classes or targets, want at most %d: %w", l.outputs(), tree.MaxScores, ErrUnsupported)
	}
	return nil
}

// outputs is the number of scores of a row.
func (l *learner) outputs() int { return max(l.classes, l.targets, 1) }

// producer names who wrote the file.
func (l *learner) producer() string {
	if len(l.version) == 0 {
		return "xgboost"
	}
	parts := make([]string, len(l.version))
	for i, v := range l.version {
		parts[i] = strconv.Itoa(int(v))
	}
	return "xgboost " + strings.Join(parts, ".")
}

// before says whether the file says that it was written by a release before that one.
func (l *learner) before(release ...int32) bool {
	for i, want := range release {
		if i >= len(l.version) {
			return false
		}
		if l.version[i] != want {
			return l.version[i] < want
		}
	}
	return false
}

// top reads the document. A snapshot (Booster.serialize) has the model beside its
// configuration.
func (l *learner) top(s source) error {
	return s.object(func(key string) (err error) {
		switch key {
		case "Model":
			return l.top(s)
		case "version":
			l.version, err = s.integers(l.version[:0])
			if err == nil && len(l.version) != 3 {
				err = fmt.Errorf("version has %d numbers, want 3: %w", len(l.version), ErrInvalid)
			}
			return err
		case "learner":
			l.found = true
			return l.inner(s)
		}
		return s.skip()
	})
}

// inner reads learner.
func (l *learner) inner(s source) error {
	return s.object(func(key string) (err error) {
		switch key {
		case "feature_names":
			l.features = nil
			return s.array(func(i int) error {
				name, err := s.text()
				if err == nil && i >= tree.MaxColumns {
					err = fmt.Errorf("more than %d feature_names: %w", tree.MaxColumns, ErrUnsupported)
				}
				l.features = append(l.features, name)
				return err
			})
		case "gradient_booster":
			return l.gradientBooster(s, true)
		case "learner_model_param":
			return l.parameters(s)
		case "objective":
			return s.object(func(key string) (err error) {
				switch key {
				case "name":
					l.objective, err = s.text()
					return err
				case "expectile_loss_param":
					return s.object(func(key string) (err error) {
						if key != "expectile_alpha" {
							return s.skip()
						}
						l.alphas, err = s.scalar()
						return err
					})
				}
				return s.skip()
			})
		}
		return s.skip()
	})
}

// gradientBooster reads learner.gradient_booster, or the gbtree within that of dart.
// The weights of dropped trees are beside the model, or in it from 3.4 on.
func (l *learner) gradientBooster(s source, outer bool) error {
	return s.object(func(key string) (err error) {
		switch key {
		case "name":
			var name string
			name, err = s.text()
			if outer {
				l.booster, l.boosterSeen = name, true
			}
			return err
		case "gbtree":
			return l.gradientBooster(s, false)
		case "weight_drop":
			l.weightDrop, err = s.floats(l.weightDrop[:0])
			return err
		case "model":
			return l.model(s)
		}
		return s.skip()
	})
}

// model reads a booster's model but its trees.
func (l *learner) model(s source) error {
	return s.object(func(key string) (err error) {
		switch key {
		case "gbtree_model_param":
			return s.object(func(key string) (err error) {
				if key != "num_trees" {
					return s.skip()
				}
				l.count, err = s.scalar()
				return err
			})
		case "tree_info":
			l.groups, err = s.integers(l.groups[:0])
			return err
		case "weight_drop":
			l.weightDrop, err = s.floats(l.weightDrop[:0])
			return err
		case "weights":
			l.hasWeights = true
			l.weights, err = s.floats(l.weights[:0])
			return err
		case "trees":
			l.hasTrees, l.trees = true, s.position()
			return s.skip()
		}
		return s.skip()
	})
}

// parameters reads learner.learner_model_param.
func (l *learner) parameters(s source) error {
	return s.object(func(key string) (err error) {
		switch key {
		case "base_score":
			l.baseScore, err = s.scalar()
		case "num_class":
			l.classes, err = count(s, key)
		case "num_feature":
			l.columns, err = count(s, key)
		case "num_target":
			l.targets, err = count(s, key)
		default:
			err = s.skip()
		}
		return err
	})
}

// count reads a parameter that counts something.
func count(s source, key string) (int, error) {
	text, err := s.scalar()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is %q, want a whole number: %w", key, text, ErrInvalid)
	}
	return int(n), nil
}
