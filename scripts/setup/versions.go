package setup

import (
	_ "embed"
	"fmt"
	"sort"
	"strings"
)

//go:embed versions.env
var versionsEnv string

// Versions is the pinned version list, by name. Get it from LoadVersions.
type Versions map[string]string

// LoadVersions reads the list that is embedded in the program.
func LoadVersions() (Versions, error) {
	return parseVersions(versionsEnv)
}

func parseVersions(text string) (Versions, error) {
	v := Versions{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("versions.env:%d: %q is not NAME=VERSION", i+1, line)
		}
		if _, twice := v[name]; twice {
			return nil, fmt.Errorf("versions.env:%d: %s is set twice", i+1, name)
		}
		v[name] = value
	}
	return v, nil
}

// Names are the list's names in order.
func (v Versions) Names() []string {
	names := make([]string, 0, len(v))
	for n := range v {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
