package api

import (
	"fmt"
	"net/http"
)

// Reasons are the stable tokens of error answers, for programs; the sentence beside
// them is for people and may change.
const (
	reasonInvalidJSON      = "invalid_json"
	reasonInvalidValue     = "invalid_value"
	reasonUnknownField     = "unknown_field"
	reasonDuplicateField   = "duplicate_field"
	reasonMissingField     = "missing_field"
	reasonShapeMismatch    = "shape_mismatch"
	reasonDatatypeMismatch = "datatype_mismatch"
	reasonUnknownInput     = "unknown_input"
	reasonDuplicateInput   = "duplicate_input"
	reasonMissingInput     = "missing_input"
	reasonUnknownOutput    = "unknown_output"
	reasonDuplicateOutput  = "duplicate_output"
	reasonTooManyRows      = "too_many_rows"
	reasonBodyTooLarge     = "body_too_large"
	reasonBodyTimeout      = "body_timeout"
	reasonBodyUnreadable   = "body_unreadable"
	reasonBodyEncoding     = "unsupported_encoding"
	reasonModelNotFound    = "model_not_found"
	reasonRouteNotFound    = "route_not_found"
	reasonMethodNotAllowed = "method_not_allowed"
	reasonNotReady         = "not_ready"
	reasonInternal         = "internal"
)

// problem is an error answer: what went wrong, where, and what would be right.
type problem struct {
	status  int
	reason  string
	message string
}

// Error returns the sentence.
func (p *problem) Error() string { return p.message }

// newProblem returns a problem with a formatted sentence.
func newProblem(status int, reason, format string, args ...any) *problem {
	return &problem{status: status, reason: reason, message: fmt.Sprintf(format, args...)}
}

// badRequest is a problem with the request's content.
func badRequest(reason, format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, reason, format, args...)
}
