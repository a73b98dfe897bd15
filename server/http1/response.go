package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxKept is the size from which the memory of an answer is left to the collector.
const maxKept = 64 << 10

// maxRendered is how long a header is kept at most.
const maxRendered = 1 << 10

// memory is what an answer is put together in. Connections share it: one that waits for
// a request holds none.
type memory struct {
	// out is the answer: the status line and the fields, and when it is sent the rest.
	out, body []byte
	keys      []string
}

// memories holds unused memory. The zero value is ready.
type memories struct{ pool sync.Pool }

func (p *memories) get() *memory {
	if m, ok := p.pool.Get().(*memory); ok {
		m.out, m.body = m.out[:0], m.body[:0]
		return m
	}
	return &memory{}
}

func (p *memories) put(m *memory) {
	if cap(m.out)+cap(m.body) <= maxKept {
		p.pool.Put(m)
	}
}

// sniffed is how many bytes http.DetectContentType looks at.
const sniffed = 512

// response is an http.ResponseWriter that keeps the answer until it is whole, so that
// it is one write to the network and its length is known.
type response struct {
	header http.Header
	// status is 0 until the header is written.
	status int
	*memory
	// What is among the fields: the body's type, that no other request may follow, and
	// the length, which is declared, or -1 if it is no number.
	typed, closes, sized bool
	declared             int
	date                 date
	// last is the header that was written last: mostly the next one is the same.
	last rendered
}

// rendered is a header as it was written, without the date and the length.
type rendered struct {
	status int // 0 if there is none
	fields []struct{ key, value string }
	text   []byte
	typed  bool
}

// begin prepares for another answer.
func (w *response) begin(m *memory) {
	clear(w.header)
	w.status, w.typed, w.closes, w.sized, w.declared, w.memory = 0, false, false, false, -1, m
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. The fields are as they are now, whatever
// becomes of them.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("status %d, want 100 to 999", status)) // net/http's panics, too
	case w.status != 0 || status < 200:
		return // the first one counts, and an information can be done without
	}
	w.status = status
	if w.last.is(status, w.header) {
		w.out, w.typed = append(w.out, w.last.text...), w.last.typed
	} else {
		w.render()
	}
	if _, given := w.header["Date"]; !given {
		w.out = append(w.out, "Date: "...)
		w.out = w.date.append(w.out, time.Now())
		w.out = append(w.out, "\r\n"...)
	}
}

// is says whether a header is the one that was rendered.
func (r *rendered) is(status int, header http.Header) bool {
	if r.status != status || len(r.fields) != len(header) {
		return false
	}
	for i := range r.fields {
		if values := header[r.fields[i].key]; len(values) != 1 || values[0] != r.fields[i].value {
			return false
		}
	}
	return true
}

// render writes the status line and the fields, and keeps them if a later answer may
// have the same.
func (w *response) render() {
	w.out = append(w.out, "HTTP/1.1 "...)
	w.out = strconv.AppendInt(w.out, int64(w.status), 10)
	w.out = append(w.out, ' ')
	if text := http.StatusText(w.status); text != "" {
		w.out = append(w.out, text...)
	} else {
		w.out = append(w.out, "status code "...) // as net/http
		w.out = strconv.AppendInt(w.out, int64(w.status), 10)
	}
	w.out = append(w.out, "\r\n"...)
	w.keys = w.keys[:0]
	for key := range w.header {
		w.keys = append(w.keys, key)
	}
	slices.Sort(w.keys)
	w.last.status, w.last.fields = w.status, w.last.fields[:0]
	for _, key := range w.keys {
		values := w.header[key]
		w.fields(key, values)
		if len(values) != 1 {
			w.last.status = 0
			continue
		}
		w.last.fields = append(w.last.fields, struct{ key, value string }{key, values[0]})
	}
	if w.closes || w.sized || len(w.out) > maxRendered {
		w.last.status = 0
	}
	if w.last.status != 0 {
		w.last.text, w.last.typed = append(w.last.text[:0], w.out...), w.typed
	}
}

// fields writes the fields of one name.
func (w *response) fields(key string, values []string) {
	switch key {
	case "Content-Length":
		w.sized = true
		if n, err := strconv.Atoi(strings.Join(values, ",")); err == nil {
			w.declared = n
		}
		return // it is written when it is known
	case "Transfer-Encoding", "Trailer":
		return // the length tells where the answer ends
	case "Content-Type", "Content-Encoding": // of the bytes of the latter nothing can be told
		w.typed = true
	case "Connection":
		w.closes = w.closes || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "close") })
	}
	if !token(key) {
		return
	}
	for _, value := range values {
		w.out = append(w.out, key...)
		w.out = append(w.out, ": "...)
		start := len(w.out)
		w.out = append(w.out, value...)
		for i, c := range w.out[start:] {
			if c == '\r' || c == '\n' {
				w.out[start+i] = ' ' // a value must not become a field
			}
		}
		w.out = append(w.out, "\r\n"...)
	}
}

// token says whether a name is one that a field may have (RFC 9110, 5.6.2).
func token(name string) bool {
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.bodied() {
		return 0, http.ErrBodyNotAllowed
	}
	w.body = append(w.body, b...)
	return len(b), nil
}

// bodied says whether an answer of the status has a body.
func (w *response) bodied() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// errLength says that a handler wrote another number of bytes than it declared.
var errLength = errors.New("want as many bytes as the header says")

// send sends the answer, and says whether another request may follow.
func (w *response) send(to io.Writer) (more bool) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.bodied() {
		if w.declared >= 0 && w.declared != len(w.body) {
			panic(fmt.Errorf("a body of %d bytes, declared as %d: %w", len(w.body), w.declared, errLength))
		}
		if !w.typed && len(w.body) > 0 {
			w.out = append(w.out, "Content-Type: "...)
			w.out = append(w.out, http.DetectContentType(w.body[:min(len(w.body), sniffed)])...)
			w.out = append(w.out, "\r\n"...)
		}
		w.out = append(w.out, "Content-Length: "...)
		w.out = strconv.AppendInt(w.out, int64(len(w.body)), 10)
		w.out = append(w.out, "\r\n"...)
	}
	w.out = append(w.out, "\r\n"...)
	w.out = append(w.out, w.body...)
	_, err := to.Write(w.out)
	return err == nil && !w.closes
}

// date is the time as a header has it, which is the same for a second.
type date struct {
	second int64
	text   [len(http.TimeFormat)]byte
}

// append writes the time behind b.
func (d *date) append(b []byte, now time.Time) []byte {
	if second := now.Unix(); second != d.second {
		d.second = second
		now.UTC().AppendFormat(d.text[:0], http.TimeFormat)
	}
	return append(b, d.text[:]...)
}
