package stack

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// prefix is the settings' namespace in a stack's file.
const prefix = "rollproof:"

// SettingError is a setting that is refused.
type SettingError struct {
	Key   string // without the prefix
	Value string
	Want  string // what would be right
}

// Error names the key, the value and what would be right.
func (p *SettingError) Error() string {
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
func read(config map[string]string) (Settings, []*SettingError) {
	var s Settings
	var problems []*SettingError
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
			problems = append(problems, &SettingError{k.name, v, want})
		}
	}
	s.fill(given)
	for name, v := range given {
		if indexOf(names, name) < 0 {
			problems = append(problems, &SettingError{name, v, unknownKey(name, names)})
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

// editDistance is how many letters to insert, delete, change or swap with
// their neighbour (the optimal string alignment distance).
func editDistance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
