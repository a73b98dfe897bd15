package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// answerTimeout bounds one request.
const answerTimeout = 5 * time.Second

// target is where requests go.
type target struct {
	address netip.AddrPort
	// head of a request, up to the value of its length.
	head string
}

// newTarget reads a URL.
func newTarget(text string) (*target, error) {
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "http" {
		var address netip.AddrPort
		if address, err = netip.ParseAddrPort(u.Host); err == nil && address.Addr().Is4() {
			return &target{address, "POST " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host +
				"\r\nContent-Type: application/json\r\nContent-Length: "}, nil
		}
	}
	return nil, fmt.Errorf("%q: want http://ADDRESS:PORT/PATH, the address one of IPv4", text)
}

// conn sends one request after the other on a connection, and opens a new one where the
// server has closed it. It never waits for an answer but looks whether it is there.
type conn struct {
	*target
	descriptor int // -1 is none
	request    []byte
	answer     []byte
	due, sent  time.Time // of the request
}

// connect opens a connection. It waits for the other side, which on the loopback is
// there within the call.
func (c *conn) connect() error {
	descriptor, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	limit := unix.NsecToTimeval(int64(answerTimeout))
	err = errors.Join(
		unix.SetsockoptInt(descriptor, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(descriptor, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit), // connect's too
	)
	if err == nil {
		err = retried(func() error {
			return unix.Connect(descriptor, &unix.SockaddrInet4{Port: int(c.address.Port()), Addr: c.address.Addr().As4()})
		})
	}
	if err == nil {
		err = unix.SetNonblock(descriptor, true)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("connect to %s: %w", c.address, err), unix.Close(descriptor))
	}
	c.descriptor = descriptor
	return nil
}

// retried calls until no signal interrupts.
func retried(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// send sends a body.
func (c *conn) send(body []byte, due time.Time) error {
	if c.descriptor < 0 {
		if err := c.connect(); err != nil {
			return err
		}
	}
	c.request = append(c.request[:0], c.head...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(c.request, "\r\n\r\n"...)
	c.request = append(c.request, body...)
	n := 0
	err := retried(func() (err error) { n, err = unix.Write(c.descriptor, c.request); return err })
	if err == nil && n < len(c.request) {
		err = io.ErrShortWrite // more than the kernel holds, which no request here is
	}
	if err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	c.answer, c.due, c.sent = c.answer[:0], due, time.Now()
	return nil
}

// look reads what has come of the answer. Once all of it is there, at is when. Another
// status than 200 is an error.
func (c *conn) look() (at time.Time, done bool, err error) {
	if cap(c.answer)-len(c.answer) < 4<<10 {
		c.answer = append(make([]byte, 0, 2*cap(c.answer)+8<<10), c.answer...)
	}
	n := 0
	err = retried(func() (err error) {
		n, err = unix.Read(c.descriptor, c.answer[len(c.answer):cap(c.answer)])
		return err
	})
	at = time.Now()
	switch {
	case errors.Is(err, unix.EAGAIN):
		if at.Sub(c.sent) > answerTimeout {
			return at, false, fmt.Errorf("no answer within %s", answerTimeout)
		}
		return at, false, nil
	case err != nil:
		return at, false, fmt.Errorf("the answer: %w", err)
	}
	c.answer = c.answer[:len(c.answer)+n]
	done, last, err := whole(c.answer, n == 0)
	if done && last {
		err = errors.Join(err, c.close())
	}
	return at, done, err
}

// whole says whether an answer is all there, and whether no other can follow it. ended is
// that nothing more comes.
func whole(text []byte, ended bool) (done, last bool, err error) {
	missing := func(err error) (bool, bool, error) {
		if !ended && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) {
			return false, false, nil
		}
		return false, false, fmt.Errorf("the answer %.200q: %w", text, err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		return missing(err)
	}
	defer func() { _ = answer.Body.Close() }() // it is in memory
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return missing(err)
	case answer.ContentLength < 0 && len(answer.TransferEncoding) == 0 && !ended:
		return false, false, nil // its end is the connection's
	case answer.StatusCode != http.StatusOK:
		return false, false, fmt.Errorf("%w: %s: %.200s", ErrFailures, answer.Status, body)
	}
	return true, answer.Close || ended, nil
}

// close closes the connection, if there is one.
func (c *conn) close() error {
	if c.descriptor < 0 {
		return nil
	}
	err := unix.Close(c.descriptor)
	c.descriptor = -1
	return err
}
