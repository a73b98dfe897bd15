package kindprovider

import (
	"fmt"
	"regexp"
	"strings"
)

// digits is how many hexadecimal digits of an image's ID its name carries on
// the nodes.
const digits = 12

// repository and tag after the grammar of the distribution specification.
var (
	repositoryRule = regexp.MustCompile(`^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$`)
	tagRule        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,114}$`) // 128 less -digest
)

// split takes a reference apart; its tag is latest by default.
func split(reference string) (repository, tag string, err error) {
	if strings.Contains(reference, "@") {
		return "", "", fmt.Errorf("%q is a reference by digest: name a repository and a tag that Docker has, such as app:v1", reference)
	}
	repository, tag = reference, "latest"
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		repository, tag = reference[:i], reference[i+1:]
	}
	if !repositoryRule.MatchString(repository) || !tagRule.MatchString(tag) {
		return "", "", fmt.Errorf("%q is not an image reference: a repository in lower case and a tag are meant, such as app:v1", reference)
	}
	return repository, tag, nil
}

// versioned is the name that an image has on the nodes: the reference with the
// first digits of the image's ID, given in hexadecimal.
func versioned(reference, id string) (string, error) {
	repository, tag, err := split(reference)
	if err != nil {
		return "", err
	}
	if len(id) < digits {
		return "", fmt.Errorf("image %s: %q is not an image ID", reference, id)
	}
	return repository + ":" + tag + "-" + id[:digits], nil
}

// fullName is a reference as containerd writes it, with its registry.
func fullName(reference string) string {
	first, rest, found := strings.Cut(reference, "/")
	switch {
	case !found:
		return "docker.io/library/" + reference
	case first == "localhost" || strings.ContainsAny(first, ".:"):
		return first + "/" + rest
	default:
		return "docker.io/" + reference
	}
}
