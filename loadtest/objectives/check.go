package objectives

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// problem is a value that cannot be, and where it stands.
type problem struct {
	path []string
	text string
}

func wrong(path []string, format string, args ...any) *problem {
	return &problem{path, fmt.Sprintf(format, args...)}
}

// at returns the problem as an error that names its line.
func (p *problem) at(lines map[string]int) error {
	if line := lines[strings.Join(p.path, "\x00")]; line > 0 {
		return fmt.Errorf("line %d: %s", line, p.text)
	}
	return fmt.Errorf("%s", p.text)
}

// lines returns the line of each key of a document, by its path. It is made only
// when there is something to say, of YAML that has been read already.
func lines(data []byte) map[string]int {
	out := map[string]int{}
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil || len(root.Content) == 0 {
		return out
	}
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := slices.Concat(path, []string{n.Content[i].Value})
			out[strings.Join(key, "\x00")] = n.Content[i].Line
			walk(n.Content[i+1], key)
		}
	}
	walk(root.Content[0], nil)
	return out
}

// check refuses values that cannot be.
func (o Objectives) check(names Names) *problem {
	for _, d := range []struct {
		path  []string
		value Duration
	}{
		{[]string{"stall"}, o.Stall},
		{[]string{"evidence", "sampler_lag"}, o.Evidence.SamplerLag},
		{[]string{"evidence", "watch_gap"}, o.Evidence.WatchGap},
	} {
		if d.value <= 0 {
			return wrong(d.path, "%s: %s: want more than 0", strings.Join(d.path, "."), d.value)
		}
	}
	if o.Rollout < 0 {
		return wrong([]string{"rollout"}, "rollout: %s: want 0 (not judged) or more", o.Rollout)
	}
	evidence := func(key, format string, value any) *problem {
		return wrong([]string{"evidence", key}, "evidence.%s: %v: "+format, key, value)
	}
	if a := o.Evidence.Achieved; !(a > 0 && a <= 1) {
		return evidence("achieved", "want a share above 0 and at most 1", a)
	}
	if l := o.Evidence.Late; !(l >= 0 && l <= 1) {
		return evidence("late", "want a share from 0 to 1", l)
	}
	if r := o.Evidence.Rate; !(r >= 0) {
		return evidence("rate", "want 0 or more", r)
	}
	if p := o.P99.check("p99", names); p != nil {
		return p
	}
	return o.P999.check("p99.9", names)
}
