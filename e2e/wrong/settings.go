package main

import (
	"fmt"
	"time"
)

// Settings is what the environment says.
type Settings struct {
	Addr    string
	Cases   string // the goldens file
	Pod     string
	Version string
	Fault   Fault
	// Drain is how long the server serves on after SIGTERM, where its fault lets it.
	Drain time.Duration
	// Start is how long a slow one takes before it listens.
	Start time.Duration
	// After is when a crash or an outage comes, from the start.
	After time.Duration
}

// Names of the environment's variables.
const (
	EnvAddr    = "WRONG_ADDR"
	EnvCases   = "WRONG_CASES"
	EnvPod     = "WRONG_POD"
	EnvVersion = "WRONG_VERSION"
	EnvFault   = "WRONG_FAULT"
	EnvDrain   = "WRONG_DRAIN"
	EnvStart   = "WRONG_START"
	EnvAfter   = "WRONG_AFTER"
)

// ReadSettings reads the environment. What is not set has a default, except the pod.
func ReadSettings(getenv func(string) string) (Settings, error) {
	or := func(name, value string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return value
	}
	s := Settings{
		Addr: or(EnvAddr, ":8080"), Cases: or(EnvCases, "/goldens.json"), Pod: getenv(EnvPod),
		Version: or(EnvVersion, "1"), Fault: Fault(or(EnvFault, string(Right))),
	}
	if s.Pod == "" {
		return s, fmt.Errorf("%s is not set: want the pod's name", EnvPod)
	}
	if !s.Fault.known() {
		return s, fmt.Errorf("%s: no fault %q: there are %v", EnvFault, s.Fault, Faults())
	}
	for _, d := range []struct {
		name, value string
		into        *time.Duration
	}{{EnvDrain, "5s", &s.Drain}, {EnvStart, "8s", &s.Start}, {EnvAfter, "10s", &s.After}} {
		var err error
		if *d.into, err = time.ParseDuration(or(d.name, d.value)); err != nil {
			return s, fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return s, nil
}
