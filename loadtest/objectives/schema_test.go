package objectives_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
)

func schema(t *testing.T) (compiled *jsonschema.Schema, document map[string]any) {
	t.Helper()
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	if compiled, err = c.Compile("schema.json"); err != nil {
		t.Fatal(err)
	}
	return compiled, parsed.(map[string]any)
}

// asJSON is a YAML document as a JSON schema sees it.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What the schema takes the reader takes, and what it refuses the reader refuses.
func TestTheSchemaAgreesWithTheReader(t *testing.T) {
	t.Parallel()
	compiled, _ := schema(t)
	known := objectives.Names{Lanes: run.LaneNames(), Phases: tally.StageNames()}
	texts := []string{
		"lost: 3\nmasked: 0\nstall: 1m30s\n", "lost: -1\n", "lost: few\n", "losst: 1\n", "stall: soon\n", "stall: 3\n",
		"rollout: 0s\nscaling: true\n", "scaling: maybe\n",
		"p99: {new: 500ms, slow-new: {steady: 1s, run: 2s}}\n", "p99: {neu: 1s}\n", "p99.9: {hot: {rolout: 1s}}\n", "p99.9: {new: [1s]}\n",
		"evidence: {requests: 5, rate: 0.5, achieved: 1, late: 0, sampler_lag: 2s, watch_gap: .5s}\n",
		"evidence: {achieved: 0}\n", "evidence: {late: 1.5}\n", "evidence: {rate: -1}\n", "evidence: {rates: 1}\n",
	}
	for _, path := range []string{"load.yaml", "upgrade.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		_, readErr := objectives.Parse([]byte(text), known)
		schemaErr := compiled.Validate(asJSON(t, []byte(text)))
		if (readErr == nil) != (schemaErr == nil) {
			t.Errorf("%.60q\nreader: %v\nschema: %v", text, readErr, schemaErr)
		}
	}
}

// Each key that can be read stands in the schema, with its default and its
// meaning, and each lane and phase.
func TestTheSchemaIsWhole(t *testing.T) {
	t.Parallel()
	_, document := schema(t)
	properties := func(at map[string]any) map[string]any { return at["properties"].(map[string]any) }
	keys := func(v any) []string {
		var out []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			out = append(out, strings.Split(f.Tag.Get("yaml"), ",")[0])
		}
		slices.Sort(out)
		return out
	}
	top := properties(document)
	evidence := properties(top["evidence"].(map[string]any))
	if diff := cmp.Diff(keys(objectives.Objectives{}), slices.Sorted(maps.Keys(top))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(keys(objectives.Evidence{}), slices.Sorted(maps.Keys(evidence))); diff != "" {
		t.Error(diff)
	}
	for name, p := range top {
		if p.(map[string]any)["description"] == nil {
			t.Errorf("%s has no description", name)
		}
	}
	defaults, err := json.Marshal(objectives.Default())
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(defaults, &want); err != nil {
		t.Fatal(err)
	}
	for name, p := range top {
		if told, ok := p.(map[string]any)["default"]; ok {
			if got, _ := json.Marshal(told); !sameJSON(got, want[name]) {
				t.Errorf("%s: the schema's default is %s, want %v", name, got, want[name])
			}
		}
	}
	for name, p := range evidence {
		if got, _ := json.Marshal(p.(map[string]any)["default"]); !sameJSON(got, want["evidence"].(map[string]any)[name]) {
			t.Errorf("evidence.%s: the schema's default is %s, want %v", name, got, want["evidence"].(map[string]any)[name])
		}
	}
	lanes := document["$defs"].(map[string]any)["lane"].(map[string]any)["enum"].([]any)
	var named []string
	for _, l := range lanes {
		named = append(named, l.(string))
	}
	if diff := cmp.Diff(run.LaneNames(), named); diff != "" {
		t.Error(diff)
	}
}

func sameJSON(text []byte, want any) bool {
	var got any
	return json.Unmarshal(text, &got) == nil && cmp.Equal(got, want)
}
