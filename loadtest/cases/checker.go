package cases

import (
	"bytes"
	"slices"
)

// Checker checks answers. It remembers, for each batch and version, the bytes
// of the last answer that was found right: a server that answers alike is then
// checked by one comparison. It is not safe for concurrent use.
type Checker struct {
	service Service
	right   map[rightKey]rightAnswer
}

type rightKey struct {
	batch  *Batch
	header string
}

type rightAnswer struct {
	version string
	body    []byte
}

// NewChecker returns a Checker for answers to the batches of a service.
func NewChecker(service Service) *Checker {
	return &Checker{service: service, right: map[rightKey]rightAnswer{}}
}

// Check is Service's, at less cost.
func (c *Checker) Check(batch *Batch, header string, body []byte) (string, error) {
	key := rightKey{batch, header}
	known, ok := c.right[key]
	if ok && bytes.Equal(known.body, body) {
		return known.version, nil
	}
	version, err := c.service.Check(batch, header, body)
	if err == nil {
		c.right[key] = rightAnswer{version, slices.Clone(body)}
	}
	return version, err
}
