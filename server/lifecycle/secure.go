package lifecycle

import (
	"crypto/tls"
	"errors"
	"io"
	"time"
)

// secureConn is a conn with TLS over its wire. TLS lies below what retires connections,
// not above: bytes that TLS has read and not yet given, deciphered or not, are looked at
// like those that the kernel holds.
//
// net/http shakes hands only with a *tls.Conn, but asks any connection that has one for
// its ConnectionState before it reads a request; that is when it is done here.
type secureConn struct {
	*conn
	tls *tls.Conn
	// timeout is how long the handshake may take; 0 is no bound.
	timeout time.Duration
	shaken  bool
}

// ConnectionState shakes hands if that has not been done, and says what came of it.
func (c *secureConn) ConnectionState() tls.ConnectionState {
	if !c.shaken {
		c.shaken = true
		if err := c.shake(); err != nil {
			c.of.log.Debug("TLS handshake", "from", c.RemoteAddr().String(), "error", err.Error())
			c.phase.Store(ended)
		}
	}
	return c.tls.ConnectionState()
}

// shake shakes hands. Until the first byte of it the connection waits, as one does for a
// request, so that a client that says nothing does not hold up the end.
func (c *secureConn) shake() error {
	if c.timeout > 0 {
		end := time.Now().Add(c.timeout)
		if err := errors.Join(c.bound(end), c.SetWriteDeadline(end)); err != nil {
			return err
		}
	}
	var first [1]byte
	if _, err := c.read(&c.wire, first[:]); err != nil {
		return err
	}
	c.wire.held, c.wire.secure = first[:], true
	if err := c.tls.Handshake(); err != nil {
		var header tls.RecordHeaderError
		if errors.As(err, &header) && header.Conn != nil && looksLikeHTTP(header.RecordHeader) {
			// As net/http does; a client that does not read it is told nothing.
			_, _ = io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks HTTPS, not HTTP.\n")
		}
		return err
	}
	c.idle()
	return errors.Join(c.bound(time.Time{}), c.SetWriteDeadline(time.Time{}))
}

// looksLikeHTTP says whether what came for a record's header is the beginning of an HTTP
// request.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}
