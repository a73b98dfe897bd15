package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
)

const conflistName = "10-podnet.conflist"

// Conflist is the CNI configuration of a node: a veth pair for each pod, with
// an address from the node's range, and host ports
// (https://www.cni.dev/docs/spec/).
func Conflist(own netip.Prefix) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"cniVersion": "1.0.0",
		"name":       "podnet",
		"plugins": []object{
			{
				"type": "ptp",
				"ipam": object{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state",
					"ranges":  [][]object{{{"subnet": own.String()}}},
					"routes":  []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
}

// WriteConflist puts the configuration in place, whole or not at all, and
// says whether it changed.
func WriteConflist(dir string, own netip.Prefix) (bool, error) {
	want, err := Conflist(own)
	if err != nil {
		return false, err
	}
	path := filepath.Join(dir, conflistName)
	if has, err := os.ReadFile(path); err == nil && bytes.Equal(has, want) {
		return false, nil
	}
	// containerd reads only names that end in .conf, .conflist or .json.
	tmp := path + ".new"
	return true, errors.Join(os.WriteFile(tmp, want, 0o644), os.Rename(tmp, path))
}
