package kindprovider

import (
	"fmt"
	"os"
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
		Dir:        dir,
		Poll:       time.Second,
	}, nil
}
