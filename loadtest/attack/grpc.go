package attack

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"rollproof/loadtest/tally"
)

// grpcStatus is how a gRPC call ended: its name, and the HTTP status that means
// the same, so that a loss is explained alike over either protocol.
type grpcStatus struct {
	name string
	http int
}

// grpcStatuses are gRPC's codes in their order, with the HTTP statuses that
// google.rpc.Code names for them.
var grpcStatuses = [...]grpcStatus{
	{"OK", http.StatusOK},
	{"CANCELLED", 499},
	{"UNKNOWN", http.StatusInternalServerError},
	{"INVALID_ARGUMENT", http.StatusBadRequest},
	{"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
	{"NOT_FOUND", http.StatusNotFound},
	{"ALREADY_EXISTS", http.StatusConflict},
	{"PERMISSION_DENIED", http.StatusForbidden},
	{"RESOURCE_EXHAUSTED", http.StatusTooManyRequests},
	{"FAILED_PRECONDITION", http.StatusBadRequest},
	{"ABORTED", http.StatusConflict},
	{"OUT_OF_RANGE", http.StatusBadRequest},
	{"UNIMPLEMENTED", http.StatusNotImplemented},
	{"INTERNAL", http.StatusInternalServerError},
	{"UNAVAILABLE", http.StatusServiceUnavailable},
	{"DATA_LOSS", http.StatusInternalServerError},
	{"UNAUTHENTICATED", http.StatusUnauthorized},
}

// grpcEnd returns how a call ended whose HTTP answer was whole. A call without a
// message has its status in the header, any other in the trailers.
func (tr *trip) grpcEnd() (tally.Class, string) {
	from := tr.resp.Trailer
	if from.Get("Grpc-Status") == "" {
		from = tr.resp.Header
	}
	text := from.Get("Grpc-Status")
	if text == "" {
		return tally.ShortBody, "the answer ends without a gRPC status"
	}
	code, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return tally.WrongAnswer, fmt.Sprintf("gRPC status %q is not a number", text)
	}
	if code == 0 {
		return tally.OK, ""
	}
	status := grpcStatus{"UNKNOWN", http.StatusInternalServerError}
	if code < uint64(len(grpcStatuses)) {
		status = grpcStatuses[code]
	}
	tr.status = status.http
	message := from.Get("Grpc-Message")
	if plain, err := url.PathUnescape(message); err == nil {
		message = plain
	}
	return tally.WrongStatus, fmt.Sprintf("gRPC status %d (%s): %.200s", code, status.name, message)
}
