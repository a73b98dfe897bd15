package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// bareAnswer is what the bare server always answers: the handlers' answer, with the
// header that net/http would give it, less the date.
var bareAnswer = []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(same), same))

var contentLength = []byte("\r\nContent-Length: ")

// serveBare answers each request with the same bytes and understands nothing of it but
// where it ends: one read and one write of the socket a request. It is no server that
// anybody could use; it shows what the kernel and Go's poller leave to any server.
func serveBare(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() }) // Accept returns, which is what is wanted
	defer stop()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("bare server: %w", err)
		}
		go func() {
			end := context.AfterFunc(ctx, func() { _ = conn.Close() }) // as above
			defer end()
			_ = answerBare(conn) // a client that is gone is no matter
		}()
	}
}

var errNotBare = errors.New("want a request with a Content-Length, of 64 KiB at most")

// answerBare answers the requests of one connection, one after the other.
func answerBare(conn io.ReadWriteCloser) error {
	defer func() { _ = conn.Close() }() // nothing is left to tell
	buffer := make([]byte, 64<<10)
	have := 0
	for {
		n, err := conn.Read(buffer[have:])
		have += n
		for {
			length, err := bareLength(buffer[:have])
			if err != nil {
				return err
			}
			if length == 0 || length > have {
				break // the rest is still to come
			}
			if _, err := conn.Write(bareAnswer); err != nil {
				return err
			}
			have = copy(buffer, buffer[length:have])
		}
		if err != nil {
			return err
		}
		if have == len(buffer) {
			return errNotBare
		}
	}
}

// bareLength is the length of the request that b begins with, header and body; 0 if
// its header has not ended.
func bareLength(b []byte) (int, error) {
	header, _, ended := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ended {
		return 0, nil
	}
	_, value, found := bytes.Cut(header, contentLength)
	if !found {
		return 0, errNotBare
	}
	value, _, _ = bytes.Cut(value, []byte("\r\n"))
	body, err := strconv.ParseUint(string(value), 10, 16)
	if err != nil {
		return 0, errNotBare
	}
	return len(header) + len("\r\n\r\n") + int(body), nil
}
