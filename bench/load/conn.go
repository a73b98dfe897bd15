package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answerTimeout bounds one request.
const answerTimeout = 5 * time.Second

// conn sends one request after the other on a connection, and opens a new one where
// the server has closed it. It does little, so that what is measured is the server.
type conn struct {
	target  *url.URL
	net     net.Conn
	reader  *bufio.Reader
	request []byte
}

// post sends a body and reads the answer to its end. Another status than 200 is an
// error.
func (c *conn) post(ctx context.Context, body []byte) error {
	if c.net == nil {
		var d net.Dialer
		var err error
		if c.net, err = d.DialContext(ctx, "tcp", c.target.Host); err != nil {
			return err
		}
		c.reader = bufio.NewReader(c.net)
	}
	if err := c.net.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	c.request = append(c.request[:0], "POST "+c.target.RequestURI()+" HTTP/1.1\r\nHost: "+c.target.Host+
		"\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(c.request, "\r\n\r\n"...)
	c.request = append(c.request, body...)
	if _, err := c.net.Write(c.request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it has been read
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return fmt.Errorf("the answer's body: %w", err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: %s: %.200s", ErrFailures, answer.Status, text)
	case answer.Close:
		return c.close()
	}
	return nil
}

// close closes the connection, if there is one.
func (c *conn) close() error {
	if c.net == nil {
		return nil
	}
	err := c.net.Close()
	c.net = nil
	return err
}
