package cases

import "net/http"

// Service is what lanes send to a service and what its right answers are.
type Service interface {
	// Request is what all requests have in common.
	Request() Request
	// Batches returns count requests' bodies of size rows each.
	Batches(size, count int) ([]*Batch, error)
	// Size is how many different rows there are.
	Size() int
	// Check returns the version that gave an answer; its error wraps one of
	// ErrWrongVersion, ErrWrongAnswer and ErrShortBody and says what is wrong.
	// header is the version that the answer's header names, empty if none does.
	Check(batch *Batch, header string, body []byte) (version string, err error)
	// Versions are those whose answers are known, sorted; empty where answers do
	// not tell.
	Versions() []string
	// TellsVersion tells whether an answer says which version gave it.
	TellsVersion() bool
}

// Request is what all requests of a service have in common.
type Request struct {
	Method string
	Path   string
	Header http.Header
	GRPC   bool // the status of an answer is in its trailers
}

// Batch is a request's body, encoded once, and the rows that it carries.
type Batch struct {
	ID   string
	Rows []int // indices into the set's rows
	Body []byte
}
