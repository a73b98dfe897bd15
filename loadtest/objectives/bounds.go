package objectives

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Bounds are the bounds of one percentile, by lane.
type Bounds map[string]Bound

// Bound bounds a percentile of one lane.
type Bound struct {
	// All is over the whole run; 0: only the phases' are bounded.
	All Duration
	// Phases are by the phase of the run in which a request was due.
	Phases map[string]Duration
}

// wholeRun is the key under which a bound over the whole run stands beside those
// of phases.
const wholeRun = "run"

// byPhase returns the bound as a file has it that names phases.
func (b Bound) byPhase() map[string]Duration {
	m := maps.Clone(b.Phases)
	if b.All != 0 {
		m[wholeRun] = b.All
	}
	return m
}

// MarshalJSON implements json.Marshaler: one time where no phase is named.
func (b Bound) MarshalJSON() ([]byte, error) {
	if len(b.Phases) == 0 {
		return json.Marshal(b.All)
	}
	return json.Marshal(b.byPhase())
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *Bound) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &b.All)
	}
	if err := json.Unmarshal(data, &b.Phases); err != nil {
		return err
	}
	b.All = b.Phases[wholeRun]
	delete(b.Phases, wholeRun)
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler: a time, or a time for each of some phases.
func (b *Bound) UnmarshalYAML(node *yaml.Node) error {
	switch node.Kind {
	case yaml.ScalarNode:
		return node.Decode(&b.All)
	case yaml.MappingNode:
		if err := node.Decode(&b.Phases); err != nil {
			return err
		}
		b.All = b.Phases[wholeRun]
		delete(b.Phases, wholeRun)
		return nil
	}
	return fmt.Errorf("line %d: want a time, as 500ms, or a time for each phase, as {steady: 250ms, rollout: 1s}", node.Line)
}

// check refuses bounds of what is not there, and of nothing.
func (b Bounds) check(key string, names Names) *problem {
	for _, lane := range slices.Sorted(maps.Keys(b)) {
		if !slices.Contains(names.Lanes, lane) {
			return wrong([]string{key, lane}, "%s: no lane %q: there are %v", key, lane, names.Lanes)
		}
		bound := b[lane]
		if len(bound.Phases) == 0 && bound.All <= 0 {
			return wrong([]string{key, lane}, "%s.%s: %s: want more than 0", key, lane, bound.All)
		}
		if bound.All < 0 {
			return wrong([]string{key, lane, wholeRun}, "%s.%s.%s: %s: want more than 0", key, lane, wholeRun, bound.All)
		}
		for _, phase := range slices.Sorted(maps.Keys(bound.Phases)) {
			path := []string{key, lane, phase}
			if !slices.Contains(names.Phases, phase) {
				return wrong(path, "%s.%s: no phase %q: there are %v, and %s for all", key, lane, phase, names.Phases, wholeRun)
			}
			if d := bound.Phases[phase]; d <= 0 {
				return wrong(path, "%s.%s.%s: %s: want more than 0", key, lane, phase, d)
			}
		}
	}
	return nil
}
