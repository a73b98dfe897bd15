package grpcapi

import (
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// domain of the reasons, as google.rpc.ErrorInfo wants one.
const domain = "rollproof"

// Reasons are the stable tokens of error answers, for programs; the sentence beside
// them is for people and may change. REST answers have the same in small letters.
const (
	reasonInvalidMessage   = "INVALID_MESSAGE"
	reasonInvalidValue     = "INVALID_VALUE"
	reasonShapeMismatch    = "SHAPE_MISMATCH"
	reasonDatatypeMismatch = "DATATYPE_MISMATCH"
	reasonContentsMismatch = "CONTENTS_MISMATCH"
	reasonUnknownInput     = "UNKNOWN_INPUT"
	reasonDuplicateInput   = "DUPLICATE_INPUT"
	reasonMissingInput     = "MISSING_INPUT"
	reasonUnknownOutput    = "UNKNOWN_OUTPUT"
	reasonDuplicateOutput  = "DUPLICATE_OUTPUT"
	reasonTooManyRows      = "TOO_MANY_ROWS"
	reasonModelNotFound    = "MODEL_NOT_FOUND"
	reasonModelNotReady    = "MODEL_NOT_READY"
	reasonUnauthorized     = "UNAUTHORIZED"
	reasonOverloaded       = "OVERLOADED"
	reasonStopping         = "STOPPING"
	reasonPredictTimeout   = "PREDICT_TIMEOUT"
	reasonCallerLeft       = "CALLER_LEFT"
	reasonInternal         = "INTERNAL"
)

// problem is an error answer: what went wrong, where, and what would be right.
type problem struct {
	code   codes.Code
	reason string
	// path is where in the request it is, for example "inputs[0].shape[1]"; empty if it
	// is nowhere in it.
	path    string
	message string
	// retry is when to try again; 0 says nothing of that.
	retry time.Duration
}

// Error returns the sentence with its place.
func (p *problem) Error() string {
	if p.path == "" {
		return p.message
	}
	return p.path + ": " + p.message
}

// GRPCStatus is the problem as an answer; grpc-go asks for it.
func (p *problem) GRPCStatus() *status.Status {
	plain := status.New(p.code, p.Error())
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: p.reason, Domain: domain}}
	if p.path != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: p.path, Description: p.message, Reason: p.reason},
		}})
	}
	if p.retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(p.retry)})
	}
	detailed, err := plain.WithDetails(details...)
	if err != nil {
		return plain // a sentence without details is better than none
	}
	return detailed
}

// failure is a problem that has no place in the request.
func failure(code codes.Code, reason, format string, args ...any) *problem {
	return &problem{code: code, reason: reason, message: fmt.Sprintf(format, args...)}
}

// invalid is a problem with what stands at a place in the request.
func invalid(reason, path, format string, args ...any) *problem {
	return &problem{code: codes.InvalidArgument, reason: reason, path: path, message: fmt.Sprintf(format, args...)}
}
