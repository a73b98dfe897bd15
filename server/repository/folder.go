package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	versionPattern = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
)

// slotKey names a version.
type slotKey struct{ name, version string }

// sight is what was seen of a version at one look. The zero value is: nothing there.
type sight struct {
	path string
	info os.FileInfo // of the file that the path leads to
	err  error       // why there is no file to load
}

func (s *sight) there() bool { return s.path != "" || s.err != nil }

// same says whether nothing has changed between two looks. A mounted ConfigMap changes
// by a link that is set anew, so the file is another; a copy that keeps the time and
// the size still has another time of change.
func (s *sight) same(o *sight) bool {
	if (s.err == nil) != (o.err == nil) || s.path != o.path {
		return false
	}
	if s.err != nil {
		return s.err.Error() == o.err.Error()
	}
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return sameFile(s.info, o.info)
}

func sameFile(a, b os.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b) && changeTime(a) == changeTime(b)
}

// errEmpty says that a models folder holds no folder of a model at all.
var errEmpty = errors.New("holds no model: want NAME/VERSION/FILE")

// look sees what is in a models folder. An error means that the folder as a whole could
// not be seen, or that it is empty: of that nothing follows for what is loaded.
func look(folder string) (map[slotKey]sight, error) {
	names, err := folders(folder)
	if err != nil {
		return nil, fmt.Errorf("models folder %s: %w", folder, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("models folder %s %w", folder, errEmpty)
	}
	seen := map[slotKey]sight{}
	for _, name := range names {
		place := filepath.Join(folder, name)
		if !namePattern.MatchString(name) {
			seen[slotKey{name: name}] = sight{err: fmt.Errorf(
				"%s: model name %q: want letters, digits, '.', '_' or '-', at most 63", place, name)}
			continue
		}
		versions, err := folders(place)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", name, err)
		}
		if len(versions) == 0 {
			seen[slotKey{name: name}] = sight{err: fmt.Errorf("model %s: %s holds no version: want VERSION/FILE", name, place)}
		}
		for _, version := range versions {
			seen[slotKey{name, version}] = lookAtVersion(place, name, version)
		}
	}
	return seen, nil
}

func lookAtVersion(place, name, version string) sight {
	folder := filepath.Join(place, version)
	if !versionPattern.MatchString(version) {
		return sight{err: fmt.Errorf("%s: version %q of model %s: want a whole number from 1, without leading zeros", folder, version, name)}
	}
	path, err := modelFile(folder)
	if err != nil {
		return sight{err: fmt.Errorf("model %s version %s: %w", name, version, err)}
	}
	s := lookAtFile(path)
	if s.err != nil {
		s.err = fmt.Errorf("model %s version %s: %w", name, version, s.err)
	}
	return s
}

func lookAtFile(path string) sight {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return sight{err: err} // names the path
	case !info.Mode().IsRegular():
		return sight{err: fmt.Errorf("%s: not a regular file", path)}
	}
	return sight{path: path, info: info}
}

// modelFile finds the one file of a version's folder that is the model: the only one, or
// the only one that is named model or model.EXTENSION, beside a card or a licence.
func modelFile(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var all, named []string
	for _, e := range entries {
		name := e.Name()
		if hidden(name) {
			continue
		}
		all = append(all, name)
		if strings.TrimSuffix(name, filepath.Ext(name)) == "model" {
			named = append(named, name)
		}
	}
	switch {
	case len(named) == 1:
		return filepath.Join(folder, named[0]), nil
	case len(all) == 1:
		return filepath.Join(folder, all[0]), nil
	case len(all) == 0:
		return "", fmt.Errorf("%s holds no file: want one, the model", folder)
	}
	return "", fmt.Errorf("%s holds %d files, %q: want one, or exactly one named model or model.EXTENSION",
		folder, len(all), all[:min(len(all), 5)])
}

// hidden names are left out: a mounted ConfigMap or volume has such beside the real ones.
func hidden(name string) bool { return name[0] == '.' || name == "lost+found" }

// folders returns the names of the folders in folder, links to folders included, in
// order.
func folders(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if hidden(entry.Name()) {
			continue
		}
		info, err := os.Stat(filepath.Join(folder, entry.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed since it was listed, or a link to nowhere
		}
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
