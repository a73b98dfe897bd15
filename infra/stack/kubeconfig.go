package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type kubeconfigError struct{ key, value, want string }

// readKubeconfig reads the file and finds the context in it. Only what is
// needed is looked at: everything else is the Kubernetes provider's business.
func (s *Settings) readKubeconfig() *kubeconfigError {
	path := s.Kubeconfig
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return &kubeconfigError{"kubeconfig", s.Kubeconfig, "a path without ~: " + err.Error()}
		}
		path = filepath.Join(home, rest)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return &kubeconfigError{"kubeconfig", s.Kubeconfig, "a file that can be read: " + err.Error()}
	}
	var file struct {
		CurrentContext string `json:"current-context"`
		Contexts       []struct {
			Name string `json:"name"`
		} `json:"contexts"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil || len(file.Contexts) == 0 {
		return &kubeconfigError{"kubeconfig", s.Kubeconfig, "a kubeconfig with at least one context"}
	}
	names := make([]string, len(file.Contexts))
	for i, c := range file.Contexts {
		names[i] = c.Name
	}
	if s.Context == "" {
		s.Context = file.CurrentContext
	}
	if indexOf(names, s.Context) < 0 {
		return &kubeconfigError{"context", s.Context, fmt.Sprintf("a context of %s: %s", s.Kubeconfig, strings.Join(names, ", "))}
	}
	s.KubeconfigText = string(raw)
	return nil
}
