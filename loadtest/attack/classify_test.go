package attack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"rollproof/loadtest/tally"
)

// What net/http makes of a connection's end, wrapped as it wraps it.
func TestClassify(t *testing.T) {
	t.Parallel()
	op := func(op string, err error) error {
		return fmt.Errorf("Post \"http://x\": %w", &net.OpError{Op: op, Net: "tcp", Err: err})
	}
	for _, tt := range []struct {
		err  error
		want tally.Class
	}{
		{op("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), tally.Refused},
		{op("read", os.NewSyscallError("read", syscall.ECONNRESET)), tally.Reset},
		{op("write", os.NewSyscallError("write", syscall.EPIPE)), tally.Reset},
		{op("write", net.ErrClosed), tally.EOF}, // the transport closed it: it had read the end while it wrote
		{io.EOF, tally.EOF},
		{fmt.Errorf("http: %w", io.ErrUnexpectedEOF), tally.EOF},
		{op("read", os.ErrDeadlineExceeded), tally.Timeout},
		{&net.DNSError{Err: "no such host"}, tally.DNS},
		{errors.New("something else"), tally.Other},
	} {
		if got := classify(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}
