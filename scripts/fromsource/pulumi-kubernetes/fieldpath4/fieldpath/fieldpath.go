// Package fieldpath gives the types of structured-merge-diff's version 6 under
// the name of its version 4.
//
// The provider's one use of version 4 holds the results of a library that has
// moved on to version 6; the types did not change. With this in place of version
// 4 the provider compiles against the Kubernetes libraries that the cluster's own
// programs are made of, so that these are compiled once.
package fieldpath

import "sigs.k8s.io/structured-merge-diff/v6/fieldpath"

type (
	// Path is version 6's.
	Path = fieldpath.Path
	// Set is version 6's.
	Set = fieldpath.Set
)

// MakePath is version 6's.
func MakePath(parts ...any) (Path, error) { return fieldpath.MakePath(parts...) }
