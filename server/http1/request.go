package http1

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxHead and maxLines bound a plain request's header.
	maxHead  = 4 << 10
	maxLines = 32
)

const contentLength = "Content-Length"

// found is what the bytes that were read are.
type found int

const (
	partial found = iota // a plain request so far, of which the rest is to come
	whole                // a plain request
	foreign              // something else
)

// requests reads a connection's requests. A client that keeps its connection sends much
// the same header each time; what is the same is not read anew.
type requests struct {
	request *http.Request
	// blank is the request without anything that a handler may have put there.
	blank http.Request
	// since is when a first part of the next request was there without the rest; zero
	// if it was not.
	since time.Time

	head  []byte // of the last request, from its first line to the empty one
	first string // line of it
	lines []line
	kept  int // how many lines there are
	url   url.URL
	body  body
	size  int // of the body
}

// line is a field of a header.
type line struct {
	text  string // as it was sent
	key   string
	value [1]string
}

// of prepares for a connection's requests.
func (r *requests) of(ctx context.Context, c Conn) {
	r.request = (&http.Request{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		URL: &r.url, RemoteAddr: c.RemoteAddr().String(),
	}).WithContext(ctx)
	r.blank = *r.request
}

// read reads the request that b begins with. If it is whole, so is r.request, and size
// is how many of the bytes it has.
func (r *requests) read(b []byte) (size int, f found) {
	if len(r.head) == 0 || !bytes.HasPrefix(b, r.head) {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			if len(b) >= maxHead || !begins(b) {
				return 0, foreign
			}
			return 0, partial
		}
		end += len("\r\n\r\n")
		if end > maxHead || !r.header(b[:end-2]) {
			return 0, foreign
		}
		r.head = append(r.head[:0], b[:end]...)
	}
	size = len(r.head) + r.size
	switch {
	case size > maxRequest:
		return 0, foreign
	case len(b) < size:
		return 0, partial
	}
	*r.request = r.blank
	r.since = time.Time{}
	if r.size > 0 {
		r.body.left = b[len(r.head):size]
		r.request.Body = &r.body
	}
	return size, whole
}

// begins says whether b may be the beginning of a plain request, as far as it goes.
func begins(b []byte) bool {
	for _, method := range [...]string{"POST /", "GET /"} {
		n := min(len(b), len(method))
		if string(b[:n]) != method[:n] {
			continue
		}
		for i, c := range b {
			if c == '\n' && b[i-1] != '\r' { // b[0] is the method's
				return false // a line that ends otherwise than HTTP wants it to
			}
		}
		return true
	}
	return false
}

// header reads a header, without the empty line. It says whether it is plain.
func (r *requests) header(head []byte) bool {
	r.head = r.head[:0]
	first, rest := cut(head)
	changed := false
	if r.first == "" || r.first != string(first) {
		if !r.requestLine(string(first)) {
			return false
		}
		changed = true
	}
	n, lengthOnly := 0, !changed
	for ; len(rest) > 0; n++ {
		var text []byte
		text, rest = cut(rest)
		switch {
		case n == maxLines:
			return false
		case n == len(r.lines):
			r.lines = append(r.lines, line{})
		}
		if l := &r.lines[n]; l.text != string(text) {
			was := l.key
			if !l.read(string(text)) {
				return false
			}
			changed = true
			// The header has the value by its place, so that it is up to date.
			lengthOnly = lengthOnly && was == contentLength && l.key == contentLength && r.length(l.value[0])
		}
	}
	switch {
	case n == r.kept && !changed:
		return true
	case n == r.kept && lengthOnly:
		r.sized()
		return true
	}
	r.kept = n
	return r.fields(r.lines[:n])
}

// cut cuts off the first line.
func cut(b []byte) (text, rest []byte) {
	text, rest, _ = bytes.Cut(b, []byte("\r\n"))
	return text, rest
}

// requestLine reads the first line.
func (r *requests) requestLine(text string) bool {
	r.first = text
	method := http.MethodPost
	if strings.HasPrefix(text, http.MethodGet) {
		method = http.MethodGet
	}
	const version = " HTTP/1.1"
	from, to := len(method)+1, len(text)-len(version)
	if to <= from || text[:from] != method+" " || text[to:] != version {
		return false
	}
	path := text[from:to]
	for i := range len(path) {
		if !plainPath(path[i]) {
			return false
		}
	}
	if path[0] != '/' || len(path) > 1 && path[1] == '/' {
		return false
	}
	r.url = url.URL{Path: path}
	r.blank.Method, r.blank.RequestURI = method, path
	return true
}

// plainPath says whether a byte means itself in a path, decoded or not.
func plainPath(c byte) bool {
	return alphanumeric(c) || c == '/' || c == '.' || c == '-' || c == '_' || c == '~' || c == ':'
}

// plainHost says whether a byte may be in a host and a port.
func plainHost(c byte) bool { return alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == ':' }

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// read reads a field (RFC 9112, 5). Names have letters, digits and hyphens here, and
// values what is printed in ASCII.
func (l *line) read(text string) bool {
	l.text = text
	at := 0
	for at < len(text) && (alphanumeric(text[at]) || text[at] == '-') {
		at++
	}
	if at == 0 || at == len(text) || text[at] != ':' {
		return false
	}
	value := text[at+1:]
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	l.key = textproto.CanonicalMIMEHeaderKey(text[:at])
	l.value[0] = textproto.TrimString(value)
	return true
}

// fields takes over what the fields say, none of which may be there twice.
func (r *requests) fields(lines []line) bool {
	header := r.blank.Header
	clear(header)
	r.blank.Host, r.size = "", -1
	for i := range lines {
		l := &lines[i]
		value := l.value[0]
		switch l.key {
		case "Host":
			if r.blank.Host != "" || !r.host(value) {
				return false
			}
			continue
		case contentLength:
			if r.size >= 0 || !r.length(value) {
				return false
			}
		case "Connection":
			if !keepAlive(value) {
				return false
			}
		case "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Pragma":
			return false // they change how a request is read, or what it is
		}
		if _, twice := header[l.key]; twice {
			return false
		}
		header[l.key] = l.value[:]
	}
	if post := r.blank.Method == http.MethodPost; r.blank.Host == "" || post != (r.size >= 0) {
		return false
	}
	r.size = max(r.size, 0)
	r.sized()
	return true
}

// sized takes over the body's size.
func (r *requests) sized() { r.blank.ContentLength, r.blank.Body = int64(r.size), http.NoBody }

// host takes over a host that needs no second look.
func (r *requests) host(value string) bool {
	for i := range len(value) {
		if !plainHost(value[i]) {
			return false
		}
	}
	r.blank.Host = value
	return value != ""
}

// length takes over a body's length, written as everybody does.
func (r *requests) length(value string) bool {
	n, err := strconv.ParseUint(value, 10, 16) // digits alone; what is larger is not plain
	if err != nil || value[0] == '0' && value != "0" {
		return false
	}
	r.size = int(n)
	return true
}

// keepAlive says whether a connection is to be kept.
func keepAlive(value string) bool { return value == "keep-alive" || value == "Keep-Alive" }

// body is a request's body, all of which is there.
type body struct{ left []byte }

// Read implements io.Reader. The end comes with the last bytes.
func (b *body) Read(p []byte) (int, error) {
	n := copy(p, b.left)
	b.left = b.left[n:]
	if len(b.left) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.left = nil
	return nil
}
