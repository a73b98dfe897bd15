package stack

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// prefix is the settings' namespace in a stack's file.
const prefix = "rollproof:"

// Problem is a setting that is refused.
type Problem struct {
	Key   string // without the prefix
	Value string
	Want  string // what would be right
}

// Error names the key, the value and what would be right.
func (p *Problem) Error() string {
	return fmt.Sprintf("%s%s: %q: want %s", prefix, p.Key, p.Value, p.Want)
}

// Parse reads a stack's configuration, its keys with their namespaces, and
// checks all of it together. The error lists every problem that there is.
func Parse(config map[string]string) (Settings, error) {
	s, problems := read(config)
	problems = append(problems, s.check()...)
	sort.SliceStable(problems, func(i, j int) bool { return problems[i].Key < problems[j].Key })
	var errs []error
	seen := make(map[string]bool)
	for _, p := range problems {
		if !seen[p.Error()] {
			seen[p.Error()] = true
			errs = append(errs, p)
		}
	}
	return s, errors.Join(errs...)
}

// read sets every value, or its default where the value cannot be read.
func read(config map[string]string) (Settings, []*Problem) {
	var s Settings
	var problems []*Problem
	given := make(map[string]string)
	for k, v := range config {
		if name, ours := strings.CutPrefix(k, prefix); ours {
			given[name] = v
		}
	}
	known := keys()
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
		if k.def != "" {
			k.read(&s, k.def) // a default can be read; a test holds that
		}
		v, ok := given[k.name]
		if !ok {
			continue
		}
		if want := k.read(&s, v); want != "" {
			problems = append(problems, &Problem{k.name, v, want})
		}
	}
	s.fill(given)
	for name, v := range given {
		if indexOf(names, name) < 0 {
			problems = append(problems, &Problem{name, v, unknownKey(name, names)})
		}
	}
	return s, problems
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// unknownKey says which key may have been meant.
func unknownKey(name string, known []string) string {
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("a key that exists; did you mean %s%s?", prefix, best)
	}
	return "a key that exists: " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's: how many letters to insert, delete or change.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
