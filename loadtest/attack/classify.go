package attack

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"rollproof/loadtest/cases"
	"rollproof/loadtest/tally"
)

// classify returns the class of a transport error.
func classify(err error) tally.Class {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.As(err, &dns):
		return tally.DNS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return tally.Timeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return tally.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return tally.Reset
	// "server closed idle connection" and "transport connection broken" are
	// net/http's own words for a connection that ended without an answer; it
	// exports no value for them.
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		strings.Contains(err.Error(), "server closed idle connection"):
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
