// Package repository loads models from a folder laid out as NAME/VERSION/model.onnx
// and finds them by name and version. It serves nothing.
package repository

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"rollproof/model"
	"rollproof/model/onnx"
)

// ArtifactName is the file that each version's folder holds.
const ArtifactName = "model.onnx"

// Repository holds loaded models. It does not change after Load.
type Repository struct {
	models map[string][]*model.Model // ascending by version
}

var (
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	versionPattern = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
)

// ErrNotFound says that no such model or version is loaded.
var ErrNotFound = errors.New("not found")

// Load reads every model in the folder. Anything in it that is not a readable model is
// an error that names the file and what is wrong: a server that starts without a model
// somebody put there would answer 404 for it later.
func Load(folder string) (*Repository, error) {
	r := &Repository{models: map[string][]*model.Model{}}
	names, err := folders(folder)
	if err != nil {
		return nil, fmt.Errorf("models folder %s: %w", folder, err)
	}
	for _, name := range names {
		if !namePattern.MatchString(name) {
			return nil, fmt.Errorf("%s: model name %q: want letters, digits, '.', '_' or '-', at most 63",
				filepath.Join(folder, name), name)
		}
		if err := r.loadVersions(filepath.Join(folder, name), name); err != nil {
			return nil, err
		}
	}
	if len(r.models) == 0 {
		return nil, fmt.Errorf("models folder %s holds no model: want NAME/VERSION/%s", folder, ArtifactName)
	}
	return r, nil
}

// loadVersions reads every version of one model.
func (r *Repository) loadVersions(folder, name string) error {
	versions, err := folders(folder)
	if err != nil {
		return fmt.Errorf("model %s: %w", name, err)
	}
	for _, version := range versions {
		if !versionPattern.MatchString(version) {
			return fmt.Errorf("%s: version %q of model %s: want a whole number from 1, without leading zeros",
				filepath.Join(folder, version), version, name)
		}
		artifact, err := onnx.ReadFile(filepath.Join(folder, version, ArtifactName))
		if err != nil {
			return fmt.Errorf("model %s version %s: %w", name, version, err)
		}
		r.models[name] = append(r.models[name], &model.Model{Name: name, Version: version, Artifact: *artifact})
	}
	if len(r.models[name]) == 0 {
		return fmt.Errorf("model %s: %s holds no version: want VERSION/%s", name, folder, ArtifactName)
	}
	slices.SortFunc(r.models[name], func(a, b *model.Model) int {
		return cmp.Compare(number(a.Version), number(b.Version))
	})
	return nil
}

// number is the value of a version, which versionPattern has made sure is one.
func number(version string) int {
	n, _ := strconv.Atoi(version)
	return n
}

// folders returns the names of the folders in folder, links to folders included, in
// order. Names that begin with a dot are left out: a mounted ConfigMap or volume has
// such beside the real ones.
func folders(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.Name()[0] == '.' || entry.Name() == "lost+found" {
			continue
		}
		info, err := os.Stat(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Find returns the model of that name and version; without a version the highest. The
// error is ErrNotFound and names what there is instead.
func (r *Repository) Find(name, version string) (*model.Model, error) {
	versions := r.models[name]
	if len(versions) == 0 {
		return nil, fmt.Errorf("model %q: %w: the models are %q", name, ErrNotFound, r.Names())
	}
	if version == "" {
		return versions[len(versions)-1], nil
	}
	for _, m := range versions {
		if m.Version == version {
			return m, nil
		}
	}
	return nil, fmt.Errorf("version %q of model %q: %w: the versions are %q", version, name, ErrNotFound, r.Versions(name))
}

// Names returns the models' names in order.
func (r *Repository) Names() []string {
	names := make([]string, 0, len(r.models))
	for name := range r.models {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Versions returns a model's versions, ascending.
func (r *Repository) Versions(name string) []string {
	versions := make([]string, 0, len(r.models[name]))
	for _, m := range r.models[name] {
		versions = append(versions, m.Version)
	}
	return versions
}

// All returns every model, by name and then by version.
func (r *Repository) All() []*model.Model {
	var all []*model.Model
	for _, name := range r.Names() {
		all = append(all, r.models[name]...)
	}
	return all
}
