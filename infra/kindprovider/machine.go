package kindprovider

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// NewMachine is this machine: its Docker, its kind clusters, and the records
// of which of them are ours in the user's state folder.
func NewMachine() (*Machine, error) {
	owners, err := UserOwners()
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("kind provider: %w", err)
	}
	return &Machine{
		Kind:       Library{},
		Docker:     CLI{},
		Owners:     owners,
		Host:       ReadHost,
		PortHolder: portHolder,
		Home:       home(dir, os.Getenv("PULUMI_BACKEND_URL")),
		Poll:       time.Second,
		Settle:     5 * time.Second,
	}, nil
}

// home is the program's folder, and the backend of its state where that is
// not a folder above it: the same program with two backends is two owners.
func home(dir, backend string) string {
	path, local := strings.CutPrefix(backend, "file://")
	if backend == "" || local && (path == "." || strings.HasPrefix(dir+"/", strings.TrimSuffix(path, "/")+"/")) {
		return dir
	}
	return dir + " with state in " + backend
}
