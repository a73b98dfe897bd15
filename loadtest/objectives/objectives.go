// Package objectives reads what must hold for a run to pass: a small YAML file
// in which an unknown key or a wrong value is refused with its name and line.
// It judges nothing.
package objectives

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.yaml.in/yaml/v3"
)

// Objectives is what must hold. Default gives the value of each key that a file
// leaves out.
type Objectives struct {
	// Lost and Masked are the most requests that may be lost, and the most right
	// answers that may have needed a retry that the transport hid.
	Lost   uint64 `yaml:"lost" json:"lost"`
	Masked uint64 `yaml:"masked" json:"masked"`
	// Stall is the longest time that an open-loop lane may be without a right answer;
	// one of fewer than three requests in it is held to the time of three.
	Stall Duration `yaml:"stall" json:"stall"`
	// P99 and P999 bound the 99th and 99.9th percentile of latency from the
	// intended time, by lane.
	P99  Bounds `yaml:"p99" json:"p99,omitempty"`
	P999 Bounds `yaml:"p99.9" json:"p99.9,omitempty"`
	// Rollout bounds the time from the command's start until the last old pod is
	// gone; 0: not judged.
	Rollout Duration `yaml:"rollout" json:"rollout"`
	// Scaling demands that the autoscaler raised the replicas during the upgrade,
	// that every pod which became ready answered, and that they came back.
	Scaling bool `yaml:"scaling" json:"scaling"`
	// Evidence is what makes a run count: less of it is INCONCLUSIVE.
	Evidence Evidence `yaml:"evidence" json:"evidence"`
}

// Evidence is how much must have been sent, and how well, for a PASS to mean something.
type Evidence struct {
	Requests uint64 `yaml:"requests" json:"requests"`
	// Rate is the requests a second to be reached on each lane.
	Rate float64 `yaml:"rate" json:"rate"`
	// Achieved is the share of an open-loop lane's target rate to be reached.
	Achieved float64 `yaml:"achieved" json:"achieved"`
	// Late is the largest share of sends that may be late.
	Late float64 `yaml:"late" json:"late"`
	// SamplerLag is the longest time for which the harness itself may stand still.
	SamplerLag Duration `yaml:"sampler_lag" json:"sampler_lag"`
	// WatchGap is the longest time for which the cluster may go unseen.
	WatchGap Duration `yaml:"watch_gap" json:"watch_gap"`
}

// Duration is a time.Duration written as "1s" or "250ms".
type Duration time.Duration

// D returns it as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns it as Go writes it.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(parsed)
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler: the error names the line.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := time.ParseDuration(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is not a time: write it as 1s or 250ms", node.Line, node.Value)
	}
	*d = Duration(parsed)
	return nil
}

// Default returns the objectives of a run without a file: nothing lost, nothing
// masked, no stall of a second, and enough evidence for that to mean something.
func Default() Objectives {
	return Objectives{
		Stall: Duration(time.Second),
		Evidence: Evidence{
			Requests: 1000, Rate: 0, Achieved: 0.95, Late: 0.1,
			SamplerLag: Duration(500 * time.Millisecond), WatchGap: Duration(5 * time.Second),
		},
	}
}

// Names are the lanes and the phases that a file may name.
type Names struct{ Lanes, Phases []string }

// Load reads the file at path over the defaults.
func Load(path string, names Names) (Objectives, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Objectives{}, fmt.Errorf("objectives: %w", err)
	}
	o, err := Parse(data, names)
	if err != nil {
		return Objectives{}, fmt.Errorf("objectives %s: %w", path, err)
	}
	return o, nil
}

// Parse reads YAML over the defaults.
func Parse(data []byte, names Names) (Objectives, error) {
	o := Default()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		return Objectives{}, plain(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Objectives{}, errors.New("more than one YAML document")
	}
	if err := o.check(names); err != nil {
		return Objectives{}, err.at(lines(data))
	}
	return o, nil
}

// plain puts the decoder's words for an unknown key into a sentence.
func plain(err error) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) || len(typed.Errors) == 0 {
		return err
	}
	var line int
	var key string
	if n, scanErr := fmt.Sscanf(typed.Errors[0], "line %d: field %s not found", &line, &key); n == 2 && scanErr == nil {
		return fmt.Errorf("line %d: unknown key %q", line, key)
	}
	return errors.New(typed.Errors[0])
}
