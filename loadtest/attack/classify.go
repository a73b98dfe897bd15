package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

// streamError has the form in which net/http lets its own error be seen: a stream
// that was reset, by the server or by the transport.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error implements error.
func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/2 stream %d reset, code %d", e.StreamID, e.Code)
}

// streamReset tells whether an HTTP/2 stream was reset under the request.
func streamReset(err error) bool {
	var stream streamError
	return errors.As(err, &stream)
}

// says tells whether an error has one of the words: net/http exports no value for
// what it means by them.
func says(err error, words ...string) bool {
	text := err.Error()
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// classify returns the class of a transport error. Of a reset it does not know
// whether anything had been written: ResetUnsent is told by the connection.
func classify(err error) tally.Class {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.As(err, &dns):
		return tally.DNS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout(), says(err, "http2: client connection lost"):
		return tally.Timeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.ENETDOWN):
		return tally.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.ECONNABORTED), streamReset(err):
		return tally.Reset
	case errors.Is(err, http.ErrSchemeMismatch), says(err, "tls: ", "x509: ", "unexpected ALPN protocol"):
		return tally.TLS
	// A connection that ended without an answer, in net/http's words. net.ErrClosed is
	// its own: it reads the end while it still writes the request, and closes.
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		says(err, "server closed idle connection", "GOAWAY", "http2: client conn"):
		return tally.EOF
	default:
		return tally.Other
	}
}

// classifyAnswer returns the class of an error of cases.Checker.
func classifyAnswer(err error) tally.Class {
	switch {
	case errors.Is(err, cases.ErrWrongVersion):
		return tally.WrongVersion
	case errors.Is(err, cases.ErrShortBody):
		return tally.ShortBody
	default:
		return tally.WrongAnswer
	}
}
