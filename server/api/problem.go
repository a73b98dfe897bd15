package api

import (
	"fmt"
	"net/http"
	"strconv"
)

// Reasons are the stable tokens of error answers, for programs; the sentence beside
// them is for people and may change.
const (
	reasonInvalidJSON          = "invalid_json"
	reasonInvalidValue         = "invalid_value"
	reasonInvalidBinary        = "invalid_binary"
	reasonUnknownField         = "unknown_field"
	reasonDuplicateField       = "duplicate_field"
	reasonMissingField         = "missing_field"
	reasonShapeMismatch        = "shape_mismatch"
	reasonDatatypeMismatch     = "datatype_mismatch"
	reasonUnknownInput         = "unknown_input"
	reasonDuplicateInput       = "duplicate_input"
	reasonMissingInput         = "missing_input"
	reasonUnknownOutput        = "unknown_output"
	reasonDuplicateOutput      = "duplicate_output"
	reasonUnsupportedParameter = "unsupported_parameter"
	reasonTooManyRows          = "too_many_rows"
	reasonBodyTooLarge         = "body_too_large"
	reasonBodyTimeout          = "body_timeout"
	reasonBodyUnreadable       = "body_unreadable"
	reasonBodyEncoding         = "unsupported_encoding"
	reasonUnencodable          = "unencodable_output"
	reasonModelNotFound        = "model_not_found"
	reasonRouteNotFound        = "route_not_found"
	reasonMethodNotAllowed     = "method_not_allowed"
	reasonNotReady             = "not_ready"
	reasonOverloaded           = "overloaded"
	reasonPredictTimeout       = "predict_timeout"
	reasonInternal             = "internal"
)

// problem is an error answer: what went wrong, where, and what would be right.
type problem struct {
	status  int
	reason  string
	message string
	// path is where in the body it is, for example "inputs[0].data[3]"; empty if it is
	// the body as a whole, or nothing in the body. It is made on the way back from the
	// place of the error, so that a request without one pays nothing for it.
	path string
	// null is true if what is wrong is a null among the values.
	null bool
}

// Error returns the sentence.
func (p *problem) Error() string {
	if p.path == "" {
		return p.message
	}
	return p.path + ": " + p.message
}

// in says that the problem is inside the field. p may be nil.
func (p *problem) in(field string) *problem {
	switch {
	case p == nil:
	case p.path == "":
		p.path = field
	case p.path[0] == '[':
		p.path = field + p.path
	default:
		p.path = field + "." + p.path
	}
	return p
}

// at says that the problem is inside the element i of an array. p may be nil.
func (p *problem) at(i int) *problem {
	if p == nil {
		return nil
	}
	return p.in("[" + strconv.Itoa(i) + "]")
}

// newProblem returns a problem with a formatted sentence.
func newProblem(status int, reason, format string, args ...any) *problem {
	return &problem{status: status, reason: reason, message: fmt.Sprintf(format, args...)}
}

// badRequest is a problem with the request's content.
func badRequest(reason, format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, reason, format, args...)
}
